import type { Decision, KeepDecision } from '../../dynamic/index.ts';
import type { Tensor } from '../../graph/index.ts';
import type { Schedule } from '../../nn/index.ts';

/** What a way of training knows of one decision. */
export interface Meeting {
  readonly decision: Decision;
  /** One logit for each option, [N, K]. */
  readonly logits: Tensor;
  /** How many decisions the net has that are not exits, and which of them, from the input on, this is. */
  readonly index: number;
  readonly count: number;
  /** Uniform noise in [0, 1) of a shape, fed by the host, another one for each step. */
  uniform(shape: readonly number[]): Tensor;
  /** One of the way's own scalars at this step, []. */
  scalar(name: string): Tensor;
}

/** What a way of training knows of a decision about units. */
export interface UnitsMeeting extends Pick<Meeting, 'uniform' | 'scalar'> {
  readonly decision: KeepDecision;
  /** How much each unit is worth, [N, n]; kept above the threshold, or the highest. */
  readonly score: Tensor;
}

/** How a decision goes in training. */
export interface Weighed {
  /** [N, K], rows of sum 1. */
  readonly weights: Tensor;
  /** log of the probability with which each input's action was drawn, [N]; for ways that learn from rewards. */
  readonly logProbability?: Tensor;
  /** Entropy of the distribution that it was drawn from, in nats, [N]. */
  readonly entropy?: Tensor;
}

/** How one decision goes, and what it was decided by. */
export interface Decided extends Weighed {
  readonly decision: Decision;
  /** Of options, [N, K]; units have none. */
  readonly logits?: Tensor;
  /** The softmax of the options' logits, [N, K]; of units the shares kept and dropped. */
  readonly probabilities: Tensor;
  /** How much is taken is part of the net (the best two, the winning half), so no term of the loss can move it. */
  readonly fixed?: true;
}

/** What terms of the loss may look at. */
export interface LossView {
  /** The task's loss of each input, [N]. */
  readonly losses: Tensor;
  /** Expected MACs of each input as a share of the dearest path, [N]. */
  readonly cost: Tensor;
  readonly decisions: readonly Decided[];
  scalar(name: string): Tensor;
}

/** A term of the loss, a scalar. */
export interface LossTerm {
  readonly name: string;
  /** Scalars that it needs at each step. */
  readonly scalars?: Readonly<Record<string, Schedule>>;
  of(view: LossView): Tensor;
}

/** A path with a loss of its own (`paths` of the fit loop), as a way of training sees it that looks at all of them. */
export interface PathView {
  /** The task's loss of each input on this path, [N]; no gradient flows into it. */
  readonly losses: Tensor;
  /** Probability with which the decisions on it send each input here, among the paths that are trained, [N]. */
  readonly probability: Tensor;
}

/** A way to train decisions that are not exits: what stands for the hard choice, and what is added to the loss. */
export interface DecisionTraining {
  readonly name: string;
  /** Scalars that it needs at each step, by name. */
  readonly scalars?: Readonly<Record<string, Schedule>>;
  weigh(meeting: Meeting): Weighed;
  /** The mask [N, n] of a decision about units; `straightUnits` by default. */
  keep?(meeting: UnitsMeeting): Tensor;
  /** Added to the loss. */
  readonly term?: LossTerm;
  /** Added to the loss where every path is computed anyway; a way without it leaves the decisions alone there. */
  overPaths?(paths: readonly PathView[]): Tensor;
}
