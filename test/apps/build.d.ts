// The build of the built-in apps is plain JavaScript: npm runs it before anything is compiled.
declare module '*/src/apps/build.mjs' {
  /** Compiles what is out of date; answers the names. */
  export function buildApps(out?: string): Promise<string[]>;
}
