import { JSONExt, JSONObject } from '@lumino/coreutils';

import { ICell, INotebookView, patchOf } from './shadow';

/** One step of the way from one notebook to another. */
export type Change =
  | { change: 'delete' | 'clear'; id: string }
  | { change: 'insert' | 'move'; id: string; after: string | null }
  | { change: 'replace'; id: string }
  | { change: 'source'; id: string; text: string }
  | { change: 'metadata'; id: string; patch: JSONObject };

/** What may differ. */
export interface IScope {
  order: boolean;
  metadata: boolean;
  cells: Iterable<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** Metadata that only the runner writes, or that JupyterLab uses internally. */
export const NOT_EDITS: ReadonlySet<string> = new Set([
  'cobra',
  'execution',
  'kernelspec',
  'language_info',
  'trusted'
]);

/** The steps that turn `from` into `to`. `scope` null: anything may differ. */
export function changes(
  from: INotebookView,
  to: INotebookView,
  scope: IScope | null,
  except: ReadonlySet<string> = NONE
): Change[] {
  const result = !scope || scope.order ? orderChanges(from, to) : [];
  for (const id of scope ? scope.cells : to.order) {
    const before = from.cell(id);
    const after = to.cell(id);
    if (before && after) {
      result.push(...cellChanges(before, after, except));
    }
  }
  if (!scope || scope.metadata) {
    const patch = patchOf(from.metadata, to.metadata, except);
    if (patch) {
      result.push({ change: 'metadata', id: '', patch });
    }
  }
  return result;
}

function cellChanges(
  before: ICell,
  after: ICell,
  except: ReadonlySet<string>
): Change[] {
  const id = after.id;
  const attachments = [before.attachments ?? {}, after.attachments ?? {}];
  if (before.type !== after.type || !JSONExt.deepEqual(...pair(attachments))) {
    return [{ change: 'replace', id }];
  }
  const result: Change[] = [];
  if (before.source !== after.source) {
    result.push({ change: 'source', id, text: after.source });
  }
  const patch = patchOf(before.metadata, after.metadata, except);
  if (patch) {
    result.push({ change: 'metadata', id, patch });
  }
  if (before.executed && !after.executed) {
    result.push({ change: 'clear', id });
  }
  return result;
}

function pair(values: JSONObject[]): [JSONObject, JSONObject] {
  return [values[0], values[1]];
}

/** Deletions, then insertions and moves from the top; as few as possible. */
function orderChanges(from: INotebookView, to: INotebookView): Change[] {
  const result: Change[] = [];
  const wanted = new Set(to.order);
  const position = new Map<string, number>();
  for (const id of from.order) {
    if (wanted.has(id)) {
      position.set(id, position.size);
    } else {
      result.push({ change: 'delete', id });
    }
  }
  const common = to.order.filter(id => position.has(id));
  const still = longestRise(common.map(id => position.get(id)!));
  const staying = new Set(still.map(index => common[index]));
  let after: string | null = null;
  for (const id of to.order) {
    if (!position.has(id)) {
      result.push({ change: 'insert', id, after });
    } else if (!staying.has(id)) {
      result.push({ change: 'move', id, after });
    }
    after = id;
  }
  return result;
}

/** The indices of a longest increasing subsequence. */
export function longestRise(values: ReadonlyArray<number>): number[] {
  const tails: number[] = [];
  const previous: number[] = [];
  values.forEach((value, index) => {
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[tails[middle]] < value) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    previous[index] = low > 0 ? tails[low - 1] : -1;
    tails[low] = index;
  });
  const result: number[] = [];
  for (let i = tails.length ? tails[tails.length - 1] : -1; i >= 0;) {
    result.push(i);
    i = previous[i];
  }
  return result.reverse();
}

/**
 * The change from `base` to `theirs`, as a change of `mine`. If both insert at one place, theirs comes first. Null if
 * both changed the same part, or if `mine` has it already.
 */
export function movedChange(
  base: string,
  theirs: string,
  mine: string
): ITextChange | null {
  const a = textChange(base, theirs);
  const b = textChange(base, mine);
  if (a.start === b.start && a.end === b.end && b.text.startsWith(a.text)) {
    return null; // as in the runner's merge: the same text again, perhaps with more
  }
  if (a.end <= b.start) {
    return a;
  }
  if (a.start >= b.end) {
    const by = b.text.length - (b.end - b.start);
    return { start: a.start + by, end: a.end + by, text: a.text };
  }
  return null;
}

/** `mine` with the change from `base` to `theirs`, if that is in another part of the text. */
export function mergedText(base: string, theirs: string, mine: string): string {
  const change = movedChange(base, theirs, mine);
  return change
    ? mine.slice(0, change.start) + change.text + mine.slice(change.end)
    : mine;
}

/** The part of a text from `start` to before `end`, and its replacement. */
export interface ITextChange {
  start: number;
  end: number;
  text: string;
}

/**
 * The part of a text to replace to get another. Never half a surrogate pair: a shared text turns the other half into
 * U+FFFD, and the runner merges by whole characters, too.
 */
export function textChange(before: string, after: string): ITextChange {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) {
    start++;
  }
  if (cutsPair(before, start) || cutsPair(after, start)) {
    start--;
  }
  let tail = 0;
  while (
    tail < shorter - start &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) {
    tail++;
  }
  if (
    cutsPair(before, before.length - tail) ||
    cutsPair(after, after.length - tail)
  ) {
    tail--;
  }
  return {
    start,
    end: before.length - tail,
    text: after.slice(start, after.length - tail)
  };
}

/** Whether a position in a text is between the two halves of one character. */
function cutsPair(text: string, at: number): boolean {
  return (
    /[\uD800-\uDBFF]/.test(text.charAt(at - 1)) &&
    /[\uDC00-\uDFFF]/.test(text.charAt(at))
  );
}
