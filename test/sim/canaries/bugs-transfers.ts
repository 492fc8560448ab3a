// Planted bugs of transfers; see bugs.ts.

import type {Bug} from './bugs.ts';

export const TRANSFER_BUGS: readonly Bug[] = [
  {
    name: 'whole-before-written',
    what: 'a node says that a file is whole while a block is still on its way to the disk',
    file: 'core/bulk-receiver.ts',
    find: 'return this.#wholeCount === this.#layout.blocks;',
    put: 'return this.#wholeCount >= this.#layout.blocks - 1;',
  },
  {
    name: 'listening-is-whole',
    what: 'the master takes a node that listens for one that has the file',
    file: 'master/transfers.ts',
    find: "if (report.state === 'listening') {",
    put: "if (report.state === 'listening' && report.blocks === 0) {",
    and: {
      file: 'master/transfers.ts',
      find: 'lastWordOf(report.state, report.reason, now)',
      put: "lastWordOf('whole', report.reason, now)",
    },
  },
  {
    name: 'transfers-not-resumed',
    what: 'a restarted master does not begin what was open',
    file: 'master/transfers.ts',
    find: 'tick(now: Now): void {\n    this.#pump(now);',
    put: 'tick(now: Now): void {',
    and: {
      file: 'master/transfers.ts',
      find: 'this.#next === undefined ? this.#fetches.wakeAt(this.open) : this.#rest.until',
      put: 'this.#fetches.wakeAt(this.open)',
    },
  },
  {
    name: 'returned-not-offered',
    what: 'a node that is back is told to fetch what nobody has offered it in this life',
    file: 'master/transfers.ts',
    find: "this.#sayOffer(nodeId, transfer);\n        this.#tell(nodeId, transfer, 'fetch');",
    put: "this.#tell(nodeId, transfer, 'fetch');",
  },
  {
    name: 'left-behind-for-good',
    what: 'who is left behind by a multicast is never told to fetch the rest',
    file: 'master/transfer-fetches.ts',
    find: "const isDue = delivery.state === 'aside' && delivery.notBefore <= now.mono;",
    put: 'const isDue = false;',
  },
  {
    name: 'heard-before-saved',
    what: 'the master tells a node that its last word is heard, and does not write it down',
    file: 'master/transfer-book.ts',
    find: "this.#context.save(put('delivery', deliveryKey(id, nodeId), encodeJson(row)));",
    put: '',
  },
  {
    name: 'block-hash-unchecked',
    what: 'a node joins the symbols of a block in the wrong order, and does not hold it to its hash',
    file: 'core/bulk-receiver.ts',
    find: 'if (equalBytes(hash, expected))',
    put: 'if (hash.length === expected.length)',
    and: {
      file: 'core/bulk-receiver.ts',
      find: 'concat(...recovered).subarray',
      put: 'concat(...recovered.reverse()).subarray',
    },
  },
];
