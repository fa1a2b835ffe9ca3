import {
  Change,
  changes,
  longestRise,
  mergedText,
  movedChange,
  textChange
} from '../diff';
import { ICell, Shadow } from '../shadow';

function cell(id: string, extra: Partial<ICell> = {}): ICell {
  return {
    id,
    type: 'code',
    source: id,
    metadata: {},
    executed: false,
    ...extra
  };
}

function notebook(...cells: Array<string | ICell>): Shadow {
  return new Shadow(
    cells.map(one => (typeof one === 'string' ? cell(one) : one))
  );
}

function carriedOut(from: Shadow, to: Shadow, steps: Change[]): Shadow {
  for (const step of steps) {
    const base = { agent: '', seq: 0, by: '', cell_id: step.id };
    if (step.change === 'insert') {
      const { type, ...rest } = to.cell(step.id)!;
      const data = { cell: { ...rest, cell_type: type }, after: step.after };
      from.perform({ ...base, op: 'insert', data });
    } else {
      from.perform({ ...base, op: step.change, data: step });
    }
  }
  return from;
}

describe('changes', () => {
  it.each([
    ['abc', 'abc', 0],
    ['abc', 'axbc', 1],
    ['abc', 'xabc', 1],
    ['abc', 'ac', 1],
    ['abcd', 'bcda', 1],
    ['abcd', 'dabc', 1],
    ['abcdef', 'fxbeda', 5],
    ['', 'abc', 3],
    ['abc', '', 3]
  ])('make %s into %s in %d steps', (before, after, count) => {
    const from = notebook(...before);
    const to = notebook(...after);
    const steps = changes(from, to, null);
    expect(steps).toHaveLength(count);
    expect(carriedOut(from, to, steps).order).toEqual([...after]);
  });

  it('find any order again', () => {
    let state = 7;
    const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
    for (let round = 0; round < 200; round++) {
      const ids = [...'abcdefghij'];
      const some = () =>
        ids.filter(() => random() < 0.7).sort(() => random() - 0.5);
      const from = notebook(...some());
      const to = notebook(...some());
      carriedOut(from, to, changes(from, to, null));
      expect(from.order).toEqual(to.order);
    }
  });

  it('look only at what they are told to', () => {
    const from = notebook('a', 'b');
    const to = notebook(
      cell('b', { source: 'B' }),
      cell('a', { source: 'A' }),
      'c'
    );
    const scope = { order: false, metadata: false, cells: ['a'] };
    expect(changes(from, to, scope)).toEqual([
      { change: 'source', id: 'a', text: 'A' }
    ]);
  });

  it('leave keys of metadata alone', () => {
    const from = notebook(cell('a', { metadata: { cobra: 1, tags: ['x'] } }));
    const to = notebook(cell('a', { metadata: { cobra: 2, more: 3 } }));
    expect(changes(from, to, null, new Set(['cobra']))).toEqual([
      { change: 'metadata', id: 'a', patch: { tags: null, more: 3 } }
    ]);
  });

  it('replace a cell whose type changed, in place', () => {
    const from = notebook('a', 'b');
    const to = notebook('a', cell('b', { type: 'markdown', source: 'new' }));
    expect(changes(from, to, null)).toEqual([{ change: 'replace', id: 'b' }]);
  });

  it('clear what has no outputs any more', () => {
    const from = notebook(cell('a', { executed: true }));
    expect(changes(from, notebook('a'), null)).toEqual([
      { change: 'clear', id: 'a' }
    ]);
    expect(changes(notebook('a'), from, null)).toEqual([]);
  });

  it('see a split as a new cell and a shorter one', () => {
    const from = notebook(cell('a', { source: 'one\ntwo' }));
    const to = notebook(
      cell('n', { source: 'one' }),
      cell('a', { source: 'two' })
    );
    expect(changes(from, to, null)).toEqual([
      { change: 'insert', id: 'n', after: null },
      { change: 'source', id: 'a', text: 'two' }
    ]);
  });
});

test('longestRise keeps as many as can stay', () => {
  expect(longestRise([])).toEqual([]);
  expect(longestRise([3, 0, 1, 2])).toEqual([1, 2, 3]);
  expect(longestRise([0, 3, 1, 2]).length).toBe(3);
});

test.each([
  ['abc', 'abXc'],
  ['aaa', 'aa'],
  ['', 'x'],
  ['x', ''],
  ['print(1)', 'print(12)'],
  ['😀', '😁'],
  ['a😀b', 'a😁b'],
  ['😀', '😀😀'],
  ['😀😀', '😀'],
  ['\u{1F600}', '\u{1FA00}'], // other first half, same second half
  ['x\u{1F600}', '\u{1FA00}'],
  ['\ud83d', '😀'],
  ['é😀', 'é']
])('textChange makes %p into %p, of whole characters', (before, after) => {
  const { start, end, text } = textChange(before, after);
  for (const part of [before.slice(0, start), before.slice(end), text]) {
    expect(lonely(part)).toBeLessThanOrEqual(lonely(before) + lonely(after));
  }
  expect(before.slice(0, start) + text + before.slice(end)).toBe(after);
});

test.each([
  ['abc', 'abc', 'abXc', 'abXc'],
  ['abc', 'Yabc', 'abcX', 'YabcX'],
  ['abc', 'abcY', 'Xabc', 'XabcY'],
  ['abc', 'abcY', 'abcX', 'abcYX'],
  ['abc', 'aYc', 'aXc', 'aXc'],
  ['abc', 'abcY', 'abcYZ', 'abcYZ'],
  ['😀 a', '😁 a', '😀 b', '😁 b'],
  ['😀😀', '😁😀', '😀😂', '😁😂']
])(
  'of a text %p, which became %p and %p, the changes of both make %p',
  (base, theirs, mine, all) => {
    expect(mergedText(base, theirs, mine)).toBe(all);
    const change = movedChange(base, theirs, mine);
    expect(lonely(change?.text ?? '')).toBe(0);
  }
);

/** Halves of surrogate pairs without their other half. */
function lonely(text: string): number {
  return [...text].filter(one => /^[\uD800-\uDFFF]$/.test(one)).length;
}
