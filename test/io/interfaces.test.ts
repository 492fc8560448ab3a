import test from 'ava';
import {chooseInterface, defaultRouteOf, knownInterfaces} from '../../src/io/interfaces.ts';

const HEAD = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT';
const route = (name: string, destination: string, flags: string, metric: number, mask: string) =>
  `${name}\t${destination}\t010200C0\t${flags}\t0\t0\t${metric}\t${mask}\t0\t0\t0`;

test('the loopback interface is there by name and by any address of it', t => {
  const lo = chooseInterface('127.0.0.1');
  t.is(lo.address, '127.0.0.1');
  t.deepEqual(chooseInterface(lo.name), lo);
  t.deepEqual(chooseInterface('127.0.0.9'), {name: lo.name, address: '127.0.0.9'});
});

test('an unknown interface is refused with those that there are', t => {
  t.throws(() => chooseInterface('wlan77'), {
    code: 'VOLLEY_NO_INTERFACE',
    message: /there is no network interface "wlan77"; there are: .*\(127\.0\.0\.1\)/,
  });
  t.throws(() => chooseInterface('203.0.113.9'), {code: 'VOLLEY_NO_INTERFACE'});
  t.throws(() => chooseInterface('127.0.0.1.evil'), {code: 'VOLLEY_NO_INTERFACE'});
});

test('without a name the choice is an interface of this machine that is not internal', t => {
  try {
    const chosen = chooseInterface();
    t.true(knownInterfaces().includes(`${chosen.name} (${chosen.address})`));
    t.notRegex(chosen.address, /^127\./);
  } catch {
    t.regex(knownInterfaces(), /^\S+ \(127\.0\.0\.1\)$/, 'a machine with loopback only');
  }
});

test('the default route with the lowest metric wins', t => {
  const table = [
    HEAD,
    route('eth0', '000200C0', '0001', 0, '00FFFFFF'),
    route('wlan0', '00000000', '0003', 600, '00000000'),
    route('eth0', '00000000', '0003', 100, '00000000'),
    route('vpn0', '00000000', '0003', 50, '00000080'),
    route('down0', '00000000', '0002', 1, '00000000'),
    '',
  ].join('\n');
  t.is(defaultRouteOf(table), 'eth0');
});

test('a table without a default route names none', t => {
  t.is(defaultRouteOf(`${HEAD}\n${route('eth0', '000200C0', '0001', 0, '00FFFFFF')}\n`), undefined);
  t.is(defaultRouteOf(''), undefined);
});
