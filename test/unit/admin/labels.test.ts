import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sqlStateLabel } from '../../../src/admin/labels.ts';

test("the proxy's own codes are told as they are, others by their class, nonsense as such", () => {
  const labels = {
    '28P01': '28P01',
    '53300': '53300',
    '57P03': '57P03',
    '3D000': '3D000',
    '42704': '42000',
    '0LP01': '0L000',
    '57014': '57000',
    '4270': 'other',
    '427044': 'other',
    '99999': 'other',
    '': 'other',
    '42"}\n': '42000',
  };
  for (const [sqlState, label] of Object.entries(labels))
    assert.equal(sqlStateLabel(sqlState), label, sqlState);
  assert.equal(sqlStateLabel(undefined), 'none');
});

test('whatever a server sends, there are few labels', () => {
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"\n\\';
  const labels = new Set<string>();
  for (const one of digits)
    for (const two of digits) for (const three of digits) labels.add(sqlStateLabel(`${one}${two}${three}01`));
  assert.ok(labels.size <= 60, `${labels.size} labels`);
  assert.ok([...labels].every((label) => /^\w+$/.test(label)));
});
