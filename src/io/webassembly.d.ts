// The part of the WebAssembly interface that the runner and its tests use. Node has it, but @types/node 20 does not
// declare it, and the DOM library that does would let browser names into every file.

declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Memory {
    constructor(descriptor: {readonly initial: number; readonly maximum?: number});
    readonly buffer: ArrayBuffer;
  }
  type ModuleImports = Record<string, unknown>;
  class Instance {
    constructor(module: Module, imports: Readonly<Record<string, ModuleImports>>);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  function validate(bytes: Uint8Array): boolean;
  class CompileError extends Error {}
  class LinkError extends Error {}
  class RuntimeError extends Error {}
}
