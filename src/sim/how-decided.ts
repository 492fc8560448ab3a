// What decides the workunits of a batch, by its row.

import type {Homogeneity, Policy} from '../core/policy.ts';
import type {Model} from './model.ts';
import {batchOf, type WorkunitKey} from './model-names.ts';

const policyOf = ({batches}: Model, key: WorkunitKey): Policy | undefined =>
  batches.get(batchOf(key))?.policy;

/** Whether a comparison decides, which takes its time. */
export const compares = (model: Model, key: WorkunitKey): boolean =>
  policyOf(model, key)?.compare !== undefined;

/** Whether only machines of one kind are held against each other. */
export const homogeneityOf = (model: Model, key: WorkunitKey): Homogeneity =>
  policyOf(model, key)?.homogeneous ?? 'off';

/** Whether more than bytes decides: then no vote is the last one, and all are stored. */
export const keepsAll = (model: Model, key: WorkunitKey): boolean =>
  compares(model, key) || homogeneityOf(model, key) !== 'off';
