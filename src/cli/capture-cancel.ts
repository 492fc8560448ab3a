// `volley capture cancel`, and Ctrl-C in `volley capture`: what has not fired yet does not.

import {asCaptureId, type CaptureId} from '../base/types.ts';
import {tallyOf} from '../core/capture-tally.ts';
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

/**
 * The first Ctrl-C cancels the capture, and what fired is brought all the same; the next one ends this process. A
 * terminal that goes away cancels nothing: what fires is brought by `capture fetch`.
 *
 * @returns ends that
 */
export function cancelOnInterrupt(client: OperatorClient, captureId: CaptureId): () => void {
  const end = (): void => void process.off('SIGINT', hear);
  const hear = (): void => {
    end();
    const newLine = process.stderr.isTTY ? '\n' : ''; // behind the terminal's ^C
    tell(`${newLine}volley: capture ${captureId} is being cancelled; once more leaves it`);
    client.cancelCapture(captureId).catch((error: Error) => tell(`volley: ${error.message}`));
  };
  process.on('SIGINT', hear);
  return end;
}
