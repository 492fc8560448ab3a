// Planted bugs of kinds of machines, and of apps that are new to them; see bugs.ts.

import type {Bug} from './bugs.ts';

export const MACHINE_BUGS: readonly Bug[] = [
  {
    name: 'kinds-judged-together',
    what: 'results of machines of all kinds are held against each other',
    file: 'master/homogeneous.ts',
    find: 'machine === undefined ? votes : votes.filter',
    put: 'machine !== "" ? votes : votes.filter',
  },
  {
    name: 'any-kind-may-join',
    what: 'a workunit that is pinned is given to any machine',
    file: 'master/workunit.ts',
    find: 'if (workunit.machine !== undefined && workunit.machine !== machine) return false;',
    put: '',
  },
  {
    name: 'kind-taken-from-the-pin',
    what: "a vote is said to be of its workunit's kind, whatever its machine is",
    file: 'master/results.ts',
    find: 'lease?.machine ?? kind',
    put: 'workunit.machine ?? kind',
  },
  {
    name: 'stuck-for-ever',
    what: 'a workunit waits for ever for machines that are gone',
    file: 'master/machines.ts',
    find: 'to === undefined || patienceMs > 0',
    put: 'to === undefined || patienceMs > -1e15',
  },
  {
    name: 'one-node-blames-an-app',
    what: 'a new app is blamed as soon as one node of each processor disagrees',
    file: 'master/probe.ts',
    find: 'Math.max(2, minQuorum)',
    put: '1',
  },
  {
    name: 'one-processor-will-do',
    what: 'a new app is found good before a second processor has computed anything',
    file: 'master/probe.ts',
    find: 'if (sides.length < 2 || sides.some(({groups}) => groups.size === 0)) return undefined;',
    put: "if (sides.some(({groups}) => groups.size > 0)) return 'alike';",
  },
];
