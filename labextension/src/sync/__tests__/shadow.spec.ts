import { Shadow } from '../shadow';

function operation(op: string, cell_id: string, data: any, seq: number) {
  return { agent: 'cobra', op, cell_id, data, seq, by: '' };
}

function inserted(id: string, after: string | null, seq: number) {
  const cell = { id, cell_type: 'code', source: id, metadata: {} };
  return operation('insert', id, { cell, after }, seq);
}

describe('Shadow', () => {
  it('takes an operation once', () => {
    const shadow = new Shadow();
    expect(shadow.apply(inserted('a', null, 1))).toBe(true);
    expect(shadow.apply(inserted('a', null, 1))).toBe(false);
    const more = { text: '!', append: true };
    shadow.apply(operation('source', 'a', more, 2));
    shadow.apply(operation('source', 'a', more, 2));
    expect(shadow.cell('a')!.source).toBe('a!');
    expect(shadow.seq).toBe(2);
  });

  it('places cells after others, at the start, and at the end where that one is gone', () => {
    const shadow = new Shadow();
    shadow.apply(inserted('a', null, 1));
    shadow.apply(inserted('b', 'a', 2));
    shadow.apply(inserted('c', 'a', 3));
    shadow.apply(inserted('d', null, 4));
    shadow.apply(inserted('e', 'gone', 5));
    expect(shadow.order).toEqual(['d', 'a', 'c', 'b', 'e']);
    shadow.apply(operation('move', 'd', { after: 'b' }, 6));
    shadow.apply(operation('move', 'e', { after: null }, 7));
    shadow.apply(operation('delete', 'a', {}, 8));
    expect(shadow.order).toEqual(['e', 'c', 'b', 'd']);
  });

  it('knows what was executed', () => {
    const shadow = new Shadow();
    shadow.apply(inserted('a', null, 1));
    expect(shadow.cell('a')!.executed).toBe(false);
    shadow.apply(operation('output', 'a', { output: {} }, 2));
    shadow.apply(operation('clear', 'a', { wait: true }, 3));
    expect(shadow.cell('a')!.executed).toBe(true);
    shadow.apply(operation('clear', 'a', { wait: false }, 4));
    expect(shadow.cell('a')!.executed).toBe(false);
    shadow.apply(operation('count', 'a', { count: 3 }, 5));
    expect(shadow.cell('a')!.executed).toBe(true);
  });

  it('patches metadata of cells and of the notebook', () => {
    const shadow = new Shadow([], { kernelspec: { name: 'cobra' }, x: 1 });
    shadow.apply(inserted('a', null, 1));
    shadow.apply(operation('metadata', 'a', { patch: { tags: ['t'] } }, 2));
    shadow.apply(operation('metadata', '', { patch: { x: null, y: 2 } }, 3));
    expect(shadow.cell('a')!.metadata).toEqual({ tags: ['t'] });
    expect(shadow.metadata).toEqual({ kernelspec: { name: 'cobra' }, y: 2 });
  });

  it('takes no harm from operations on cells that are gone', () => {
    const shadow = new Shadow();
    for (const op of ['source', 'output', 'clear', 'move', 'delete', 'count']) {
      shadow.apply(operation(op, 'gone', {}, shadow.seq + 1));
    }
    expect(shadow.order).toEqual([]);
    expect(shadow.seq).toBe(6);
  });

  it('is read from a notebook whose sources are lists', () => {
    const source = ['a\n', 'b'];
    const cells = [{ id: 'a', cell_type: 'raw', source, metadata: {} }];
    expect(Shadow.read({ cells }, 4).cell('a')!.source).toBe('a\nb');
  });
});
