// Planted bugs of what operators order; see bugs.ts.

export const ORDER_BUGS = [
  {
    name: 'held-gets-work',
    what: 'a node that an operator drains is given more work',
    file: 'master/scheduler.ts',
    find: '  if (node.control.hold) return false;\n',
    put: '',
  },
  {
    name: 'quarantined-counts',
    what: 'results of a node that an operator has quarantined count all the same',
    file: 'master/results.ts',
    find: "    if (node.control.hold?.kind === 'quarantined') return; // nor this: it counts when it is released\n",
    put: '',
  },
  {
    name: 'deletion-takes-more',
    what: 'with a batch reports go that hold results of another one',
    file: 'master/deletion.ts',
    find: 'if (batchIds.some(id => batches.has(id))) continue;',
    put: '',
  },
  {
    name: 'retry-takes-done',
    what: 'a retry computes again what has a result',
    file: 'master/batch.ts',
    find: "if (decision?.kind === 'failed') {",
    put: 'if (decision) {',
  },
  {
    name: 'retry-begins-all-anew',
    what: 'after a restart all that is open of a retried batch begins anew, and what nodes have in hand is lost',
    file: 'master/batch.ts',
    find: 'this.#tries.of(workunit.index, this.control.baseTry)',
    put: 'this.control.retries ?? 0',
  },
  {
    name: 'retry-forgotten',
    what: 'a restart forgets what began anew: results from before the retry count',
    file: 'master/batch.ts',
    find: 'ops.push(...this.#tries.saves(this.row.id));',
    put: '',
  },
];
