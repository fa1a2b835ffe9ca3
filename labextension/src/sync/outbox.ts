import { JSONObject } from '@lumino/coreutils';

import { CallError } from '../channel';
import { Change, changes, mergedText, NOT_EDITS } from './diff';
import { IOperation, Shadow } from './shadow';
import { ModelView } from './view';

export const DEBOUNCE = 300;
const FRAME = 4 << 20; // characters of a frame, unless a single edit is longer
const LONGEST = (8 << 20) - (64 << 10); // the server accepts 8 MiB; the frame around the edit needs some

/** A refused edit, and the reason. */
export interface IRefusal {
  edit: JSONObject;
  /** The kind of the CallError; '' for an edit that was refused alone. */
  kind: string;
  message: string;
}

export interface IOutboxOptions {
  view: ModelView;
  shadow: Shadow;
  client: string;
  /** Cells whose outputs this tab's own kernel connection shows. */
  own: ReadonlyMap<string, unknown>;
  /** A cell that must not be sent yet. */
  unused: () => string | null;
  /** Whether edits can go out now. */
  open: () => boolean;
  send: (edits: JSONObject[]) => Promise<any>;
  /** Resolves when all received operations have been applied. */
  drained: () => Promise<void>;
  onRefused: (refusal: IRefusal) => void;
  /** Nobody accepts edits of this notebook now. */
  onLost: () => void;
  /** The runner has everything. */
  onSettled: () => void;
}

/** What has been sent of one cell and not yet been answered. */
interface IUnderWay {
  calls: number;
  inserted: boolean;
  /** The text last sent, plus later changes by others. */
  text?: string;
  /** The last edit of each kind. */
  last: Map<string, string>;
}

/** Whole calls fail with these kinds if no runner has this agent; the next save then carries the edits. */
const NOBODY: ReadonlySet<string> = new Set(['Unknown', 'Refused', 'Gone']);

const ORDER: ReadonlySet<string> = new Set(['insert', 'move', 'delete']);

/** Sends a person's changes to the runner: decides when, and tracks what is under way and what was refused. */
export class Outbox {
  constructor(private _options: IOutboxOptions) {}

  /** Send the person's changes at once; `urgent`: even while earlier edits are under way. */
  async flush(urgent = false): Promise<void> {
    window.clearTimeout(this._timer);
    this._timer = undefined;
    while (this._sending && !urgent) {
      await this._sending;
    }
    await this._send();
  }

  /** Send after a pause in the changes. */
  schedule(): void {
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => void this.flush(), DEBOUNCE);
  }

  /** Start over: nothing is under way, and refused edits may be tried again. */
  reset(): void {
    this._held.clear();
    this._underWay.clear();
  }

  dispose(): void {
    window.clearTimeout(this._timer);
  }

  /** The differences a person made that the runner does not have yet. */
  pending(): Change[] {
    const { view, shadow, own } = this._options;
    const { touched } = view;
    const unused = this._options.unused();
    const found = changes(shadow, view, touched, NOT_EDITS).filter(
      ({ id }) => !unused || id !== unused
    );
    for (const id of [...touched.cleared]) {
      if (own.has(id) || !shadow.cell(id)) {
        touched.cleared.delete(id); // a new execution clears it anyway
      } else if (!found.some(c => c.id === id && c.change === 'clear')) {
        found.push({ change: 'clear', id });
      }
    }
    const open = new Set(found.map(change => change.id));
    for (const id of [...touched.cells]) {
      if (!open.has(id)) {
        touched.cells.delete(id);
        this._held.delete(id);
      }
    }
    touched.metadata = open.has('');
    touched.order = found.some(({ change }) => ORDER.has(change));
    return found;
  }

  /**
   * Note an operation before it is applied. The runner merges what others change in a text while our edit is under
   * way; the next edit must be based on the merged text.
   */
  note(operation: IOperation): void {
    const { cell_id, op, data, by } = operation;
    const { shadow, client } = this._options;
    if (by === client || op !== 'source') {
      return;
    }
    const way = this._underWay.get(cell_id);
    const base = shadow.cell(cell_id)?.source;
    if (way?.text !== undefined && base !== undefined) {
      const theirs = data.append ? base + data.text : data.text;
      way.text = mergedText(base, theirs, way.text);
    }
  }

  /** After an operation of this tab's own: send what the person has changed since. */
  compare({ cell_id, op, by }: IOperation): void {
    const { view, shadow, client } = this._options;
    if (!by || by !== client) {
      return;
    }
    const here = view.shared(cell_id);
    if (op === 'source') {
      if (!here || here.getSource() === shadow.cell(cell_id)?.source) {
        return;
      }
      view.touched.cells.add(cell_id);
    } else if (op === 'insert' || op === 'delete') {
      if (view.index(cell_id) >= 0 === (op === 'insert')) {
        return;
      }
      view.touched.order = true;
    } else if (op === 'move') {
      view.touched.order = true;
    } else {
      return;
    }
    this.schedule();
  }

  private async _send(): Promise<void> {
    if (!this._options.open()) {
      return;
    }
    const open = this.pending();
    const edits = this._edits(open);
    if (edits.length) {
      const sending = this._exchange(edits);
      this._sending = sending;
      await sending;
      if (this._sending === sending) {
        this._sending = null;
      }
      if (!this._options.open()) {
        return;
      }
      if (this.pending().length) {
        this.schedule();
        return;
      }
    } else if (open.length) {
      return;
    }
    if (!this._underWay.size) {
      this._options.onSettled();
    }
  }

  /** The edits to send, in frames that the server accepts. */
  private _edits(open: Change[]): JSONObject[][] {
    const frames: JSONObject[][] = [];
    const refusals: IRefusal[] = [];
    const absent = new Map<string, string | null>(); // held cells, and the cell before each
    let room = 0;
    for (const change of open) {
      const edit = this._edit(change);
      if (!edit) {
        continue;
      }
      while (absent.has(edit.after as string)) {
        edit.after = absent.get(edit.after as string)!;
      }
      let held = this._isHeld(edit);
      const size = held ? 0 : JSON.stringify(edit).length;
      if (size > LONGEST) {
        held = true;
        refusals.push({ edit, kind: 'TooLarge', message: 'it is too large' });
      }
      if (held) {
        if (edit.edit === 'insert') {
          absent.set(change.id, edit.after as string | null);
        }
      } else if (size > room) {
        frames.push([edit]);
        room = FRAME - size;
      } else {
        frames[frames.length - 1].push(edit);
        room -= size;
      }
    }
    this._hold(refusals);
    return frames;
  }

  /** The edit for a change, or null if it is already under way. */
  private _edit(change: Change): JSONObject | null {
    const { view, shadow } = this._options;
    const { change: edit, id: cell_id } = change;
    const way = this._underWay.get(cell_id);
    const source = (text: string, was: string) =>
      text === was ? null : { edit: 'source', cell_id, text, was };
    if (change.change === 'source') {
      return source(change.text, way?.text ?? shadow.cell(cell_id)!.source);
    }
    if (change.change === 'insert' && way?.inserted && way.text !== undefined) {
      return source(view.shared(cell_id)!.getSource(), way.text);
    }
    let made: JSONObject;
    switch (change.change) {
      case 'insert':
        made = { edit, cell: cellOf(cell_id, view), after: change.after };
        break;
      case 'replace':
        made = { edit, cell: cellOf(cell_id, view) };
        break;
      case 'move':
        made = { edit, cell_id, after: change.after };
        break;
      case 'metadata':
        made = { edit, cell_id, patch: change.patch };
        break;
      default:
        made = { edit, cell_id };
    }
    return way?.last.get(edit) === fingerprint(made) ? null : made;
  }

  private async _exchange(frames: JSONObject[][]): Promise<void> {
    const refusals: IRefusal[] = [];
    let lost = false;
    const send = async (edits: JSONObject[]) => {
      const ways = edits.map(edit => this._depart(edit));
      try {
        const answer = await this._options.send(edits);
        for (const { edit, cell_id } of edits) {
          if (edit === 'clear') {
            this._options.view.touched.cleared.delete(cell_id as string);
          }
        }
        await this._options.drained();
        for (const { edit, message } of answer.refused ?? []) {
          refusals.push({ edit: edits[edit], kind: '', message });
          ways[edit].text = undefined; // the runner does not have this text
          ways[edit].last.clear();
        }
      } catch (error) {
        if (error instanceof CallError && NOBODY.has(error.kind)) {
          lost = true;
        } else if (error instanceof CallError) {
          const { kind, message } = error;
          edits.forEach(edit => refusals.push({ edit, kind, message }));
        }
        ways.forEach(way => {
          way.text = undefined;
          way.last.clear();
        });
      }
      edits.forEach((edit, at) => this._arrive(edit, ways[at]));
    };
    await Promise.all(frames.map(send));
    this._hold(refusals);
    if (lost) {
      this._options.onLost();
    }
  }

  private _depart(edit: JSONObject): IUnderWay {
    const id = idOf(edit);
    const way: IUnderWay = this._underWay.get(id) ?? {
      calls: 0,
      inserted: false,
      last: new Map()
    };
    way.calls++;
    way.inserted = way.inserted || edit.edit === 'insert';
    if (edit.edit === 'source') {
      way.text = edit.text as string;
    } else {
      way.last.set(edit.edit as string, fingerprint(edit));
      if (edit.cell) {
        way.text = (edit.cell as JSONObject).source as string;
      }
    }
    this._underWay.set(id, way);
    return way;
  }

  private _arrive(edit: JSONObject, way: IUnderWay): void {
    const id = idOf(edit);
    if (--way.calls === 0 && this._underWay.get(id) === way) {
      this._underWay.delete(id);
    }
  }

  /** Do not send refused edits again until the person changes the cell; report each reason once. */
  private _hold(refusals: IRefusal[]): void {
    const reported = new Set<string>();
    for (const refusal of refusals) {
      const { edit, kind, message } = refusal;
      const id = idOf(edit);
      if (id && !edit.cell && !this._options.shadow.cell(id)) {
        continue; // it was deleted meanwhile: the person's text is sent as a new cell
      }
      const held = this._held.get(id) ?? new Map<string, string>();
      this._held.set(id, held.set(edit.edit as string, fingerprint(edit)));
      const reason = `${kind} ${message}`;
      if (!reported.has(reason) && id !== '') {
        // refused notebook metadata go with the next save
        reported.add(reason);
        this._options.onRefused(refusal);
      }
    }
  }

  private _isHeld(edit: JSONObject): boolean {
    const held = this._held.get(idOf(edit))?.get(edit.edit as string);
    return held !== undefined && held === fingerprint(edit);
  }

  private _timer: number | undefined;
  private _sending: Promise<void> | null = null;
  private _underWay = new Map<string, IUnderWay>();
  private _held = new Map<string, Map<string, string>>();
}

function idOf(edit: JSONObject): string {
  return (edit.cell_id ?? (edit.cell as JSONObject).id) as string;
}

/** A key to recognise an edit by. For outputs, which may be huge, it uses only their number. */
function fingerprint(edit: JSONObject): string {
  const cell = edit.cell as JSONObject | undefined;
  const outputs = cell?.outputs as unknown[] | undefined;
  return JSON.stringify(
    outputs ? { ...edit, cell: { ...cell, outputs: outputs.length } } : edit
  );
}

function cellOf(id: string, view: ModelView): JSONObject {
  const { metadata, ...cell } = view.shared(id)!.toJSON();
  const { trusted: _, ...rest } = metadata as JSONObject;
  return { ...cell, metadata: rest } as unknown as JSONObject;
}
