// `volley capture cancel`, and Ctrl-C in `volley capture`: what has not fired yet does not.

import {EXIT} from '../base/errors.ts';
import {asCaptureId, type CaptureId} from '../base/types.ts';
import {tallyOf} from '../core/capture-tally.ts';
import type {CaptureView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {print, printJson, tell} from './output.ts';

export const captureCancelCommand: CommandSpec = {
  name: 'capture cancel',
  args: '<capture>',
  summary: 'End a capture: shots that are not under way yet do not fire',
  options: OPERATOR_OPTIONS,
  examples: ['volley capture cancel 42', 'volley capture show 42   # what had fired by then'],
  run: cancel,
};

async function cancel(given: Given): Promise<undefined> {
  const id = asCaptureId(given.id('capture'));
  const view = await withClient(given, client => client.cancelCapture(id));
  if (given.flag('json')) printJson({...view, ...tallyOf(view)});
  else
    print(
      `Capture ${id} is cancelled; \`volley capture show ${id}\` shows what had fired by then.`,
    );
  return undefined;
}

const CODES = {SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated} as const;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
type Signal = (typeof SIGNALS)[number];

/**
 * The first Ctrl-C or SIGTERM cancels the capture, and what fired is brought all the same; the next one ends this
 * process at once. A terminal that goes away cancels nothing: what fires is brought by `capture fetch`.
 */
export class Interrupts {
  /** What is known of the capture. */
  #seen: CaptureView | undefined;
  #first: Signal | undefined;
  readonly #client: Pick<OperatorClient, 'cancelCapture'>;
  readonly #captureId: CaptureId;
  readonly #leave: (code: number, left: object) => void;

  /** @param leave ends this process; `left` is what is known of the capture that is left */
  constructor(
    client: Pick<OperatorClient, 'cancelCapture'>,
    captureId: CaptureId,
    leave: (code: number, left: object) => void,
  ) {
    this.#client = client;
    this.#captureId = captureId;
    this.#leave = leave;
    for (const signal of SIGNALS) process.on(signal, this.#hear);
  }

  /** To end with, whatever came of the capture; undefined = nobody has interrupted it. */
  get code(): number | undefined {
    return this.#first && CODES[this.#first];
  }

  saw(view: CaptureView): void {
    this.#seen = view;
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#hear);
  }

  readonly #hear = (signal: Signal): void => {
    const [client, id] = [this.#client, this.#captureId];
    if (this.#first !== undefined) {
      this.close();
      this.#leave(CODES[signal], {...(this.#seen ?? {id}), whole: false, left: true});
      return;
    }
    this.#first = signal;
    const newLine = process.stderr.isTTY && signal === 'SIGINT' ? '\n' : ''; // behind the terminal's ^C
    const told = signal === 'SIGINT' ? '' : 'told to end: ';
    tell(`${newLine}volley: ${told}capture ${id} is being cancelled; once more leaves it`);
    client.cancelCapture(id).catch((error: Error) => tell(`volley: ${error.message}`));
  };
}

/** Nothing more is asked: `capture fetch` brings what was fired. */
export const leaveNow =
  (asJson: boolean) =>
  (code: number, left: object): void => {
    if (asJson) printJson(left);
    process.exit(code);
  };
