import test from 'ava';
import {asAccessRow, includesRole, ROLES} from '../../src/core/access.ts';

test('each role may what those before it may', t => {
  const may = ROLES.map(own => ROLES.filter(wanted => includesRole(own, wanted)));
  t.deepEqual(may, [['read'], ['read', 'operate'], ['read', 'operate', 'admin']]);
});

test('a stored row is taken whole or not at all', t => {
  const row = {name: 'ada', role: 'read', tokenHash: '0'.repeat(64), createdAt: 1};
  t.deepEqual(asAccessRow({...row, more: 1}), row as never);
  const bad = [
    null,
    'ada',
    {...row, name: 'owner'},
    {...row, name: 7},
    {...row, name: ''},
    {...row, role: 'root'},
    {...row, role: 'toString'},
    {...row, tokenHash: '0'},
    {...row, tokenHash: 1},
    {...row, createdAt: '1'},
  ];
  for (const value of bad) t.is(asAccessRow(value), undefined, JSON.stringify(value));
});
