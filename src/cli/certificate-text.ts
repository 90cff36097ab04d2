import { exactPercent, whole } from './format.ts';

/** The part of a certificate that both a run folder and a file's card have. */
export interface CertificateFacts {
  readonly risk: 'harm' | 'loss' | 'disagreement';
  readonly method: 'binomial' | 'betting';
  readonly epsilon: number;
  readonly delta: number;
  readonly n: number;
  readonly fullModelKept: boolean;
  readonly message: string;
}

const claims = {
  harm: (e: string) => `at most ${e} of inputs get a wrong answer that the full model would have got right`,
  loss: (e: string) => `the accuracy lies at most ${e} (of all inputs) below the full model's`,
  disagreement: (e: string) => `at most ${e} of inputs get another answer than the full model's`,
} as const;

/** A certificate in plain words. */
export function certificateText(c: CertificateFacts): string[] {
  if (c.fullModelKept) return [sentence(c.message), 'The model answers as the full model does, on every input.'];
  const tests = c.method === 'binomial' ? 'exact binomial tests' : 'betting tests';
  return [
    `With ${exactPercent(1 - c.delta)} confidence, ${claims[c.risk](exactPercent(c.epsilon))}.`,
    `This holds for inputs like the ${whole(c.n)} that it was measured on (${tests}, fixed sequence).`,
  ];
}

const sentence = (text: string): string => `${text[0]?.toUpperCase()}${text.slice(1)}.`;
