// The thread that compares numbers: question after question. See compare-thread.ts.

import {parentPort} from 'node:worker_threads';
import {compareNumbers} from '../core/compare.ts';
import type {NumberQuestion} from './compare-thread.ts';

parentPort?.on('message', ({how, a, b}: NumberQuestion) =>
  parentPort?.postMessage(compareNumbers(how, a, b)),
);
