import { JSONExt, JSONObject, PartialJSONObject } from '@lumino/coreutils';

/** A change of the notebook, numbered by the runner; `by` is the client that caused it. */
export interface IOperation {
  agent: string;
  op: string;
  cell_id: string;
  seq: number;
  data: any;
  by: string;
}

export interface ICell {
  id: string;
  type: string;
  source: string;
  metadata: JSONObject;
  attachments?: JSONObject;
  /** Whether it has outputs or an execution count. */
  executed: boolean;
}

/** A notebook that can be compared with another. */
export interface INotebookView {
  readonly order: ReadonlyArray<string>;
  readonly metadata: JSONObject;
  cell(id: string): ICell | undefined;
}

/** The runner's notebook as far as this tab knows it, without outputs. */
export class Shadow implements INotebookView {
  constructor(
    cells: Iterable<ICell> = [],
    public metadata: JSONObject = {},
    public seq = 0
  ) {
    for (const cell of cells) {
      this.order.push(cell.id);
      this._cells.set(cell.id, cell);
    }
  }

  order: string[] = [];

  static read(notebook: any, seq: number): Shadow {
    return new Shadow(notebook.cells.map(read), notebook.metadata ?? {}, seq);
  }

  /** Take over another shadow's content. */
  become({ order, metadata, seq, _cells }: Shadow): void {
    Object.assign(this, { order, metadata, seq, _cells });
  }

  cell(id: string): ICell | undefined {
    return this._cells.get(id);
  }

  /** Apply an operation. Returns whether it was new. */
  apply(operation: IOperation): boolean {
    if (operation.seq <= this.seq) {
      return false;
    }
    this.seq = operation.seq;
    this.perform(operation);
    return true;
  }

  /** Apply a change, whatever its number. */
  perform({ op, cell_id: id, data }: IOperation): void {
    if (op === 'insert') {
      if (!this._cells.has(data.cell.id)) {
        this._place(data.cell.id, data.after);
        this._cells.set(data.cell.id, read(data.cell));
      }
      return;
    }
    if (op === 'metadata' && id === '') {
      this.metadata = patched(this.metadata, data.patch);
      return;
    }
    const cell = this._cells.get(id);
    if (!cell) {
      return;
    }
    switch (op) {
      case 'source':
        cell.source = data.append ? cell.source + data.text : data.text;
        break;
      case 'metadata':
        cell.metadata = patched(cell.metadata, data.patch);
        break;
      case 'output':
        cell.executed = true;
        break;
      case 'count':
        cell.executed = cell.executed || data.count !== null;
        break;
      case 'clear':
        cell.executed = cell.executed && !!data.wait;
        break;
      case 'move':
        this.order.splice(this.order.lastIndexOf(id), 1);
        this._place(id, data.after);
        break;
      case 'delete':
        this.order.splice(this.order.lastIndexOf(id), 1);
        this._cells.delete(id);
        break;
    }
  }

  private _place(id: string, after: string | null): void {
    let position = this.order.length;
    if (after === null) {
      position = 0;
    } else if (after !== this.order[position - 1] && this._cells.has(after)) {
      position = this.order.lastIndexOf(after) + 1;
    }
    this.order.splice(position, 0, id);
  }

  private _cells = new Map<string, ICell>();
}

/** Read a cell in nbformat's form. */
export function read(cell: any): ICell {
  const { id, source, metadata, attachments, outputs, execution_count } = cell;
  return {
    id,
    type: cell.cell_type,
    source: Array.isArray(source) ? source.join('') : (source ?? ''),
    metadata: metadata ?? {},
    attachments,
    executed: !!outputs?.length || (execution_count ?? null) !== null
  };
}

/** `old` with the patch applied; keys with null are removed. */
export function patched(old: JSONObject, patch: PartialJSONObject): JSONObject {
  const result = { ...old };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || value === undefined) {
      delete result[key];
    } else {
      result[key] = value as JSONObject;
    }
  }
  return result;
}

/** The patch that turns `from` into `to`, or null; it leaves out the keys in `except`. */
export function patchOf(
  from: JSONObject,
  to: JSONObject,
  except: ReadonlySet<string>
): JSONObject | null {
  const patch: JSONObject = {};
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const before = from[key] ?? null;
    const after = to[key] ?? null;
    if (!except.has(key) && !JSONExt.deepEqual(before, after)) {
      patch[key] = after;
    }
  }
  return Object.keys(patch).length ? patch : null;
}
