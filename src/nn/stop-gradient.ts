import { apply, Identity, type Operator, type Tensor } from '../graph/index.ts';

const StopGradient: Operator<Record<never, never>> = { ...Identity, gradient: [null] };

/** The same numbers, through which no gradient flows. @example distillation(student, stopGradient(teacher)) */
export const stopGradient = (x: Tensor): Tensor => apply(StopGradient, [x], {});
