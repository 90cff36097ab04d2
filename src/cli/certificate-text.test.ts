import { expect, it } from 'vitest';
import { certificateText, provenText } from './certificate-text.ts';

const of = (risk: 'harm' | 'loss' | 'disagreement', method: 'binomial' | 'betting') => ({
  ...{ risk, method, epsilon: 0.005, delta: 0.1, n: 6000, fullModelKept: false, message: 'a message' },
});

it('says what is bounded, against what, and by which tests', () => {
  expect(provenText(of('loss', 'betting'), 'the original')).toEqual([
    "With 90 % confidence, the accuracy lies at most 0.5 % (of all inputs) below the original's.",
    'This holds for inputs like the 6,000 that it was measured on (betting tests, fixed sequence).',
  ]);
  const [claim, basis] = certificateText(of('harm', 'binomial'));
  expect(claim).toContain('a wrong answer that the full model would have got right');
  expect(basis).toContain('(exact binomial tests, fixed sequence)');
  expect(certificateText(of('disagreement', 'binomial'))[0]).toContain("another answer than the full model's");
  expect(certificateText({ ...of('harm', 'binomial'), fullModelKept: true })[0]).toBe('A message.');
});
