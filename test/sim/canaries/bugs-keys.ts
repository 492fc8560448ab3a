// Planted bugs of trust documents and apps; see bugs.ts.

export const KEY_BUGS = [
  {
    name: 'app-unsigned',
    what: 'an app runs whoever signed it',
    file: 'core/app.ts',
    find: "appKeys.find(key => crypto.verify(key, 'app', signature, split.manifest))",
    put: 'appKeys[0]',
  },
  {
    name: 'app-by-another-name',
    what: 'bytes that come for an app are not held against its hash',
    file: 'node/app-shelf.ts',
    find: "if (blob.kind === 'bytes' && this.#hasName(blobId, blob.bytes)) return use(blob.bytes);",
    put: "if (blob.kind === 'bytes') return use(blob.bytes);",
  },
  {
    name: 'dropped-key-trusted',
    what: 'an app that was looked at once runs on when its key is dropped',
    file: 'node/app-shelf.ts',
    find: 'const isPresent = kept !== undefined && areSame(kept.keys, keys);',
    put: 'const isPresent = kept !== undefined;',
  },
  {
    name: 'key-dropped-on-the-way',
    what: 'an app that was on its way when its key was dropped is run',
    file: 'node/app-shelf.ts',
    find: 'const isPresent = areSame(entry.keys, this.#options.appKeys());',
    put: 'const isPresent = true;',
  },
  {
    name: 'older-trust-believed',
    what: 'a node goes back to an older trust document',
    file: 'wire/trust.ts',
    find: 'document.version > held.version',
    put: 'document.version !== held.version',
  },
  {
    name: 'any-root-believed',
    what: 'a node follows a root that its own never passed on to',
    file: 'wire/trust.ts',
    find: 'if (pinned !== undefined && !signers.some(signer => equalBytes(signer, pinned))) return false;',
    put: '',
  },
  {
    name: 'previous-root-unasked',
    what: 'a document may name a root before it that did not sign',
    file: 'wire/trust.ts',
    find: "if (!crypto.verify(previous.rootKey, 'trust', previous.signature, signed.document)) {",
    put: 'if (previous.signature.length === 0) {',
  },
  {
    name: 'trust-not-written',
    what: 'a node goes by a trust document that it has not written down',
    file: 'runtime/node-runtime.ts',
    find: 'this.#options.onTrust?.(signedTrust, rootFingerprint);',
    put: 'void rootFingerprint;',
  },
  {
    name: 'root-steps-unsaid',
    what: 'nodes that slept through a rotation of the root never come back',
    file: 'wire/session-master.ts',
    find: 'const step = this.#steps.get(toHex(discoveredRoot(datagram)));',
    put: 'const step = undefined;',
  },
  {
    name: 'older-app-for-batch',
    what: 'a batch gets the version of its app that was published first',
    file: 'master/operator.ts',
    find: 'this.#context.apps.set(app.name, app);',
    put: 'if (!this.#context.apps.has(app.name)) this.#context.apps.set(app.name, app);',
  },
];
