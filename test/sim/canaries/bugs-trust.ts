// Planted bugs of how often a workunit is computed; see bugs.ts.

export const TRUST_BUGS = [
  {
    name: 'trusted-too-soon',
    what: 'a node computes alone after one validated result',
    file: 'master/adaptive.ts',
    find: 'validatedInRow >= trustAfter',
    put: 'validatedInRow >= 1',
  },
  {
    name: 'wrong-check-confirms',
    what: 'the results that wait count although the one that was checked is wrong',
    file: 'master/escrow.ts',
    find: 'if (!agreeing.has(vote)) this.#lose(account);',
    put: 'if (!agreeing.has(vote)) this.#confirm(account, workunit);',
  },
  {
    name: 'escrow-kept-after-a-lie',
    what: 'a node is found out, and nobody computes what it left in escrow',
    file: 'master/escrow.ts',
    find: '    for (const {workunit} of account.waiting) this.#giveToOthers(workunit);\n',
    put: '',
  },
];
