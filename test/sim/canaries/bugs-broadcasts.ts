// Planted bugs of broadcasts; see bugs.ts.

import type {Bug} from './bugs.ts';

export const BROADCAST_BUGS: readonly Bug[] = [
  {
    name: 'broadcast-to-anybody',
    what: 'what is the own of one node is given to whoever asks',
    file: 'master/scheduler.ts',
    find: 'const workunit = open.get(owners.indexOf(nodeId));',
    put: 'const workunit = [...open.values()].find(each => each.wanted > 0);',
    and: {
      file: 'master/workunit.ts',
      find: 'if (owner !== undefined && owner !== nodeId) return false;',
      put: '',
    },
  },
  {
    name: 'broadcast-waits-for-the-revoked',
    what: 'a broadcast waits for ever for a node that is no member any more',
    file: 'master/broadcast.ts',
    find: 'if (workunit) results.settle(batch, workunit, now);',
    put: '',
  },
  {
    name: 'broadcast-list-not-saved',
    what: 'after a restart nobody knows whose the workunits of a broadcast are',
    file: 'master/new-batches.ts',
    find: "if (nodes) context.save(put('meta', broadcastKey(id), encodeJson({batchId: id, nodes})));",
    put: '',
  },
];
