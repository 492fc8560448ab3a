// A built-in action as the node runs it: a program of its own, with stand-ins for the programs that it starts.

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {ExecutionContext} from 'ava';
import {buildSync} from 'esbuild';
import {asWallMs} from '../../src/base/types.ts';
import {PersistentProgram} from '../../src/io/action-process.ts';
import type {ActionState, ProgramSpec, ShotEnd} from '../../src/io/shooter.ts';
import {clock, Rig} from './action-rig.ts';

/** A program that is kept running, and all that it said of itself. */
export class Watched {
  readonly states: ActionState[] = [];
  readonly program: PersistentProgram;
  readonly dir: string;
  /** Where it writes. */
  readonly folder: string;
  #waiting: (() => void) | undefined;

  constructor(
    t: ExecutionContext,
    spec: (dir: string) => Partial<ProgramSpec> & Pick<ProgramSpec, 'argv'>,
  ) {
    const rig = new Rig(t, () => ({}));
    this.dir = rig.dir;
    this.folder = rig.shots;
    this.program = new PersistentProgram({
      dir: rig.shots,
      timeoutMs: 10_000,
      clock,
      onState: state => {
        this.states.push(state);
        this.#waiting?.();
      },
      ...spec(rig.dir),
    });
    t.teardown(() => this.program.close());
  }

  /** The first state from now on that is as wanted; AVA's limit ends a wait in vain. */
  async until(isWanted: (state: ActionState) => boolean): Promise<ActionState> {
    for (;;) {
      const found = this.states.at(-1);
      if (found && isWanted(found)) return found;
      await new Promise<void>(resolve => {
        this.#waiting = resolve;
      });
    }
  }

  shoot(
    shot = '1-1',
    isPreview = false,
    args: readonly string[] = [],
    fireAt = clock.now().mono,
  ): Promise<ShotEnd> {
    const askedWall = asWallMs(0);
    return this.program.shoot({shot, file: `${shot}.jpg`, askedWall, fireAt, args, isPreview});
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), 'latin1');
  }
}

export class Adapter extends Watched {
  /** @param prepare puts stand-ins into `bin`, gives variables for them */
  constructor(
    t: ExecutionContext,
    name: string,
    options: readonly string[],
    prepare: (dir: string) => Readonly<Record<string, string>>,
  ) {
    super(t, dir => {
      const env = Object.entries(prepare(dir)).map(([key, value]) => `${key}=${value}`);
      const path = `PATH=${join(dir, 'bin')}:${process.env['PATH']}`;
      const program = join(dir, `${name}.mjs`);
      // one file starts four times as fast as sources do
      buildSync({
        entryPoints: [fileURLToPath(new URL(`../../src/io/${name}.ts`, import.meta.url))],
        bundle: true,
        platform: 'node',
        format: 'esm',
        outfile: program,
      });
      return {argv: ['env', path, ...env, process.execPath, program, ...options]};
    });
  }
}
