// `node --import=tsx test/rig/lan-rig-main.ts N`: a LAN rig for hands. Prints how to run programs on its
// hosts and takes orders from stdin; the rig is there until stdin ends.

import {createInterface} from 'node:readline';
import {type Faults, type LanRig, openLan, whyNoLan} from './lan-rig.ts';

const HELP = `node --import=tsx test/rig/lan-rig-main.ts N [MBIT]

A LAN of a master's host and N nodes' hosts (n1 … nN), each a network namespace of its own, until stdin
ends. MBIT is the rate of each cable towards its host. Orders, one a line; HOSTS is "master", "n3", "nodes",
"n1,n2" …:

  hosts                         names, addresses, and what to put before a command line
  faults HOSTS [NAME=PERCENT]…  lossTo lossFrom duplicate multicastLoss; in place of what was, none = well
  slow HOSTS PERCENT MS         that share goes to the hosts late, by about so many ms, and is overtaken
  cut HOSTS    heal HOSTS       cables
  lost                          packets lost by the faults of now

Needs Linux with unshare, nsenter (util-linux), ip, tc (iproute2) and nft (nftables), and root or user
namespaces. Exit: 0 done, 2 bad usage, 77 cannot work on this machine.
`;

const FAULTS = new Set(['lossTo', 'lossFrom', 'duplicate', 'multicastLoss']);

const show = (text: string): void => void process.stdout.write(`${text}\n`);

function hostsOf(lan: LanRig, text = ''): readonly string[] {
  if (text === 'nodes') return lan.nodes;
  const hosts = text.split(',');
  for (const host of hosts) if (!lan.hosts.includes(host)) throw new Error(`no host "${host}"`);
  return hosts;
}

function percentOf(text = ''): number {
  const percent = Number(text);
  if (text === '' || !(percent >= 0 && percent <= 100))
    throw new Error(`"${text}" is no percentage`);
  return percent;
}

function faultsOf(words: readonly string[]): Faults {
  const pairs = words.map(word => {
    const [name = '', value] = word.split('=');
    if (!FAULTS.has(name)) throw new Error(`no fault "${name}": ${[...FAULTS].join(', ')}`);
    return [name, percentOf(value)] as const;
  });
  return Object.fromEntries(pairs);
}

function obey(lan: LanRig, line: string): void {
  const [order, hosts, ...rest] = line.trim().split(/\s+/);
  switch (order) {
    case '':
      return;
    case 'hosts':
      for (const host of lan.hosts)
        show(`${host} ${lan.address(host)}  ${lan.enter(host).join(' ')}`);
      return;
    case 'faults':
      return lan.setFaults(hostsOf(lan, hosts), faultsOf(rest));
    case 'slow': {
      const ms = Number(rest[1]);
      if (!(ms > 0)) throw new Error('slow HOSTS PERCENT MS');
      return lan.setFaults(hostsOf(lan, hosts), {slow: {share: percentOf(rest[0]), ms}});
    }
    case 'cut':
      return lan.cut(hostsOf(lan, hosts));
    case 'heal':
      return lan.heal(hostsOf(lan, hosts));
    case 'lost':
      return show(`${lan.lost()}`);
    default:
      throw new Error(`no order "${order}"; -h lists them`);
  }
}

async function main([nodes = '', mbit]: readonly string[]): Promise<number> {
  if (nodes === '-h' || nodes === '--help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (!/^[1-9]\d*$/.test(nodes) || (mbit !== undefined && !(Number(mbit) > 0))) {
    process.stderr.write(HELP);
    return 2;
  }
  const why = whyNoLan();
  if (why !== undefined) {
    process.stderr.write(`lan-rig: cannot work here: ${why}\n`);
    return 77;
  }
  const rate = mbit === undefined ? {} : {rateMbit: Number(mbit)};
  const lan = await openLan({nodes: Number(nodes), ...rate});
  obey(lan, 'hosts');
  for await (const line of createInterface({input: process.stdin})) {
    try {
      obey(lan, line);
    } catch (error) {
      process.stderr.write(`lan-rig: ${(error as Error).message}\n`);
    }
  }
  await lan.close();
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
