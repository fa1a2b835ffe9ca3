import { Signal } from '@lumino/signaling';

import { CallError, Dropped, IChannel, IEvent } from '../../channel';
import { mergedText } from '../diff';

/** A runner with one notebook, at the other end of a channel that can be cut. */
export class FakeRunner implements IChannel {
  constructor(public cells: any[]) {}

  attached = false;
  detached = false;
  seq = 0;
  operations: any[] = [];
  calls: Array<{ name: string; args: any }> = [];
  refuse: ((edit: any) => string | null) | null = null;
  /** Forget what was done, so that who follows gets the whole notebook. */
  forgetful = false;
  /** What every edit waits for before it is made. */
  slow: Promise<void> | null = null;
  /** Calls of edits that are turned down as a whole. */
  turnDown: CallError | null = null;
  /** The agent has ended, and the runner has not. */
  ended = false;
  readonly event: Signal<IChannel, IEvent> = new Signal(this);
  readonly stateChanged: Signal<IChannel, void> = new Signal(this);

  attach(): void {
    this.attached = true;
    this.detached = false;
    this.stateChanged.emit();
    this.event.emit({ event: 'attached' });
  }

  drop(): void {
    this.attached = this.detached = false;
    this._following = false;
    this.stateChanged.emit();
  }

  /** The server is there again, and the run is over. */
  detach(): void {
    this.drop();
    this.detached = true;
    this.stateChanged.emit();
    this.event.emit({ event: 'detached' });
  }

  async call<T>(name: string, args: any): Promise<T> {
    await Promise.resolve();
    if (!this.attached && !this.detached) {
      throw new Dropped();
    }
    this.calls.push({ name, args: JSON.parse(JSON.stringify(args)) });
    if (name === 'edit') {
      await this.slow;
      if (this.turnDown) {
        throw this.turnDown;
      }
    }
    switch (name) {
      case 'follow':
        if (args.file) {
          return this._file(args.seq) as T;
        }
        if (this.ended) {
          throw new CallError('Unknown', 'no such agent works now');
        }
        this._following = true;
        return this._follow(args.seq) as T;
      case 'edit':
        return this._edit(args.client, args.edits) as T;
      case 'cell':
        return { cell: this.cells.find(c => c.id === args.cell_id) } as T;
      default:
        return {} as T;
    }
  }

  edits(): any[] {
    return this.calls
      .filter(({ name }) => name === 'edit')
      .flatMap(({ args }) => args.edits);
  }

  sources(): string[] {
    return this.cells.map(cell => cell.source);
  }

  /** Change the notebook and tell who follows. */
  act(op: string, cell_id: string, data: any = {}, by = ''): void {
    const operation = {
      event: 'operation',
      agent: 'cobra',
      op,
      cell_id,
      seq: ++this.seq,
      data,
      by
    };
    this._perform(op, cell_id, data);
    this.operations.push(operation);
    if (this._following) {
      this.event.emit(JSON.parse(JSON.stringify(operation)));
    }
  }

  insert(id: string, after: string | null, source = id, type = 'code'): void {
    this.act('insert', id, { cell: cellOf(id, source, type), after });
  }

  private _file(seq: number): any {
    return seq === this.seq
      ? { seq, operations: [], running: [] }
      : this._whole();
  }

  private _whole(): any {
    const cells = JSON.parse(JSON.stringify(this.cells));
    return { seq: this.seq, notebook: { cells, metadata: {} }, running: [] };
  }

  private _follow(seq: number | null): any {
    if (this.forgetful || seq === null) {
      return this._whole();
    }
    const operations = this.operations.filter(one => one.seq > seq);
    return { seq: this.seq, operations };
  }

  private _edit(by: string, edits: any[]): any {
    const refused: any[] = [];
    edits.forEach((edit, position) => {
      const id = edit.cell_id ?? edit.cell.id;
      const known = id === '' || this.cells.some(cell => cell.id === id);
      const message =
        this.refuse?.(edit) ??
        (known || edit.edit === 'insert' ? null : `${id}: no such cell`);
      if (message) {
        refused.push({ edit: position, message });
      } else if (edit.edit === 'replace') {
        const at = this.cells.findIndex(cell => cell.id === id);
        const after = this.cells[at - 1]?.id ?? null;
        this.act('delete', id, {}, by);
        this.act('insert', id, { cell: edit.cell, after }, by);
      } else {
        const { edit: op, cell_id: _, was, ...data } = edit;
        if (op === 'source') {
          const now = this.cells.find(cell => cell.id === id).source;
          data.text = mergedText(was, now, data.text);
        } else if (op === 'insert' && known) {
          throw new Error('inserted twice');
        }
        const more = op === 'source' ? { append: false } : {};
        this.act(op, id, { ...data, ...more }, by);
        if (op === 'source') {
          const cobra = { agent: 'cobra', person: true };
          this.act('metadata', id, { patch: { cobra } }, by);
        }
      }
    });
    if (refused.length && refused.length === edits.length && edits.length > 9) {
      throw new CallError('Refused', 'nothing could be done');
    }
    return { seq: this.seq, refused };
  }

  private _perform(op: string, id: string, data: any): void {
    const at = this.cells.findIndex(cell => cell.id === id);
    const cell = this.cells[at];
    const place = (one: any) => {
      const after = this.cells.findIndex(other => other.id === data.after);
      this.cells.splice(data.after === null ? 0 : after + 1, 0, one);
    };
    switch (op) {
      case 'insert':
        place(JSON.parse(JSON.stringify(data.cell)));
        break;
      case 'move':
        this.cells.splice(at, 1);
        place(cell);
        break;
      case 'delete':
        this.cells.splice(at, 1);
        break;
      case 'source':
        cell.source = data.append ? cell.source + data.text : data.text;
        break;
      case 'output':
        cell.outputs.push(data.output);
        break;
      case 'count':
        cell.execution_count = data.count;
        break;
    }
  }

  private _following = false;
}

export function cellOf(id: string, source = id, type = 'code'): any {
  const cell = { id, cell_type: type, source, metadata: {} };
  return type === 'code'
    ? { ...cell, outputs: [], execution_count: null }
    : cell;
}

/** Let a time pass on jest's fake clock, and everything happen that is due by then. */
export async function settled(milliseconds = 0): Promise<void> {
  await jest.advanceTimersByTimeAsync(milliseconds);
}
