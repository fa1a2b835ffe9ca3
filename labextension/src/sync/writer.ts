import { ISharedCell } from '@jupyter/ydoc';
import { IOutput } from '@jupyterlab/nbformat';
import { JSONExt, JSONObject } from '@lumino/coreutils';

import { movedChange, textChange } from './diff';
import { IOperation, Shadow } from './shadow';
import { ModelView } from './view';

const OUTPUTS = new Set([
  'output',
  'update_display',
  'clear',
  'count',
  'state'
]);

/**
 * Writes the runner's operations into the open notebook, except where the person has changed the same thing.
 *
 * Outputs go through the cell's own model and outside a transaction. Inside one, JupyterLab would treat them as
 * remote outputs and add them twice.
 */
export class Writer {
  /** `client`: this tab; `own`: cells whose outputs its own kernel connection shows. */
  constructor(
    private _view: ModelView,
    private _shadow: Shadow,
    private _client: string,
    private _own: ReadonlyMap<string, unknown>
  ) {}

  /** Apply an operation to the shadow, and to the notebook if the person has not changed that part. */
  apply(operation: IOperation): void {
    if (operation.seq <= this._shadow.seq) {
      return;
    }
    this._view.silently(() => this.perform(operation));
    this._shadow.seq = operation.seq;
  }

  /** Apply a change, whatever its number; called inside `silently`. */
  perform(operation: IOperation): void {
    const ours = operation.by !== '' && operation.by === this._client;
    if (OUTPUTS.has(operation.op)) {
      this._outputs(operation, ours);
    } else if (ours) {
      this._marks(operation);
    } else {
      this._content(operation);
    }
    this._shadow.perform(operation);
  }

  /** Set a cell's outputs and execution count to those of `cell`. */
  setResult(cell: any): void {
    const code = this._view.code(cell.id);
    if (!code || cell.cell_type !== 'code') {
      return;
    }
    const outputs: IOutput[] = (cell.outputs ?? []).map(normal);
    if (!JSONExt.deepEqual(code.outputs.toJSON() as any, outputs as any)) {
      code.outputs.clear();
      outputs.forEach(output => code.outputs.add(output));
    }
    code.executionCount = cell.execution_count ?? null;
  }

  private _content(operation: IOperation): void {
    const { op, cell_id: id, data } = operation;
    const notebook = this._view.model.sharedModel;
    if (op === 'insert') {
      this._insert(data.cell, data.after);
    } else if (op === 'metadata') {
      this._metadata(id, data.patch);
    } else if (op === 'delete') {
      this._delete(id);
    } else if (op === 'move' && this._view.index(id) >= 0) {
      const from = this._view.index(id);
      const place = this._place(data.after, id);
      const to = place > from ? place - 1 : place;
      if (from !== to) {
        notebook.transact(() => notebook.moveCell(from, to), false);
      }
    } else if (op === 'source') {
      this._source(id, data.text, data.append);
    }
  }

  private _source(id: string, text: string, append: boolean): void {
    const cell = this._view.shared(id);
    if (!cell) {
      return;
    }
    const old = cell.getSource();
    const base = this._shadow.cell(id)?.source ?? old;
    const part = this._differs(id, cell)
      ? movedChange(base, append ? base + text : text, old)
      : append
        ? { start: old.length, end: old.length, text }
        : textChange(old, text);
    if (part && (part.text || part.end > part.start)) {
      cell.transact(
        () => cell.updateSource(part.start, part.end, part.text),
        false
      );
    }
  }

  private _insert(cell: any, after: string | null): void {
    if (!this._view.shared(cell.id) && !this._shadow.cell(cell.id)) {
      const notebook = this._view.model.sharedModel;
      const at = this._place(after, cell.id);
      notebook.transact(() => notebook.insertCell(at, cell), false);
    }
  }

  private _delete(id: string): void {
    const cell = this._view.shared(id);
    if (!cell) {
      return;
    }
    if (this._differs(id, cell)) {
      this._view.touched.order = true; // the person's text returns as a new cell
      return;
    }
    const notebook = this._view.model.sharedModel;
    const index = this._view.index(id);
    notebook.transact(() => notebook.deleteCell(index), false);
  }

  private _metadata(id: string, patch: JSONObject): void {
    const target =
      id === '' ? this._view.model.sharedModel : this._view.shared(id);
    const known =
      id === '' ? this._shadow.metadata : this._shadow.cell(id)?.metadata;
    if (!target || !known) {
      return;
    }
    const touched = id === '' ? this._view.touched.metadata : this._touched(id);
    target.transact(() => {
      for (const [key, value] of Object.entries(patch)) {
        const before = known[key] ?? null;
        const now = (target.getMetadata(key) ?? null) as JSONObject | null;
        if (touched && key !== 'cobra' && !JSONExt.deepEqual(before, now)) {
          continue;
        }
        if (value === null) {
          target.deleteMetadata(key);
        } else {
          target.setMetadata(key, value);
        }
      }
    }, false);
  }

  /** Apply the runner's marks. The notebook already has the rest of this tab's own operations. */
  private _marks({ op, cell_id: id, data }: IOperation): void {
    if (op === 'metadata' && data.patch.cobra !== undefined) {
      this._metadata(id, { cobra: data.patch.cobra });
    } else if (op === 'insert') {
      this._metadata(data.cell.id, {
        cobra: data.cell.metadata?.cobra ?? null
      });
    }
  }

  private _outputs({ op, cell_id: id, data }: IOperation, ours: boolean): void {
    if (op === 'update_display') {
      for (const [target, position] of data.targets) {
        if (!(ours && this._own.has(target))) {
          this._update(target, position, data);
        }
      }
      return;
    }
    const code = this._view.code(id);
    if (!code || (ours && this._own.has(id))) {
      return;
    }
    if (op === 'output') {
      if (data.clear) {
        code.outputs.clear();
      }
      code.outputs.add(data.output);
    } else if (op === 'clear') {
      code.outputs.clear(data.wait);
    } else if (op === 'count') {
      code.executionCount = data.count;
    } else {
      code.executionState = data.state;
    }
  }

  private _update(id: string, position: number, data: any): void {
    const outputs = this._view.code(id)?.outputs;
    if (!outputs || position >= outputs.length) {
      return;
    }
    const output: any = outputs.get(position).toJSON();
    if (output.data) {
      const { data: bundle, metadata } = data;
      outputs.set(position, { ...output, data: bundle, metadata });
    }
  }

  /** The position of a cell behind another one, which may be missing in the open notebook. */
  private _place(after: string | null, id: string): number {
    const order = this._shadow.order;
    let position = after === null ? -1 : order.lastIndexOf(after);
    for (; position >= 0; position--) {
      const index =
        order[position] === id ? -1 : this._view.index(order[position]);
      if (index >= 0) {
        return index + 1;
      }
    }
    return after !== null && order.lastIndexOf(after) < 0
      ? this._view.model.sharedModel.cells.length
      : 0;
  }

  private _touched(id: string): boolean {
    return this._view.touched.cells.has(id);
  }

  /** Whether the runner does not have the person's text yet. */
  private _differs(id: string, cell: ISharedCell): boolean {
    return (
      this._touched(id) && cell.getSource() !== this._shadow.cell(id)?.source
    );
  }
}

/** An output in the form that JupyterLab stores. */
function normal(output: any): IOutput {
  const { transient: _, ...rest } = output;
  return Array.isArray(rest.text)
    ? { ...rest, text: rest.text.join('') }
    : rest;
}
