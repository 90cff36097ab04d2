import fc from 'fast-check';

// Properties are tried on other cases in every run; FC_SEED=1 tries the same ones again, as CI does.
const { FC_SEED } = process.env;
if (FC_SEED !== undefined) fc.configureGlobal({ seed: Number(FC_SEED) });
