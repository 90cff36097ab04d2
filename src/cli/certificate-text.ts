import { capitalised, exactPercent, whole } from './format.ts';

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
  harm: (e: string, than: string) => `at most ${e} of inputs get a wrong answer that ${than} would have got right`,
  loss: (e: string, than: string) => `the accuracy lies at most ${e} (of all inputs) below ${than}'s`,
  disagreement: (e: string, than: string) => `at most ${e} of inputs get another answer than ${than}'s`,
} as const;

/** What is proven, against what, and how. */
export function provenText(c: Omit<CertificateFacts, 'fullModelKept' | 'message'>, than = 'the full model'): string[] {
  const tests = c.method === 'binomial' ? 'exact binomial tests' : 'betting tests';
  return [
    `With ${exactPercent(1 - c.delta)} confidence, ${claims[c.risk](exactPercent(c.epsilon), than)}.`,
    `This holds for inputs like the ${whole(c.n)} that it was measured on (${tests}, fixed sequence).`,
  ];
}

/** A certificate in plain words. */
export function certificateText(c: CertificateFacts): string[] {
  if (!c.fullModelKept) return provenText(c);
  return [`${capitalised(c.message)}.`, 'The model answers as the full model does, on every input.'];
}
