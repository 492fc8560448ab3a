// From the options that every operator command has to a client of the master.

import type {OperatorClient} from '../http/client.ts';
import type {Given, OptionSpec} from './command.ts';

export const OPERATOR_OPTIONS: readonly OptionSpec[] = [
  {flag: '--data <dir>', text: "the master's folder (default ~/.volley/master)"},
  {flag: '--url <url>', text: 'the master elsewhere; VOLLEY_URL, and VOLLEY_TOKEN with its token'},
  {flag: '--json', text: 'print JSON for programs'},
];

export async function masterDirectory(given: Given): Promise<string> {
  const {masterDirectoryOf} = await import('../library/open-client.ts');
  return masterDirectoryOf({data: given.text('data')});
}

export async function openClient(given: Given): Promise<OperatorClient> {
  const {openOperatorClient} = await import('../library/open-client.ts');
  return openOperatorClient({data: given.text('data'), url: given.text('url')});
}

/** Runs `act` with a client that is closed afterwards. */
export async function withClient<T>(
  given: Given,
  act: (client: OperatorClient) => Promise<T>,
): Promise<T> {
  const client = await openClient(given);
  try {
    return await act(client);
  } finally {
    client.close();
  }
}
