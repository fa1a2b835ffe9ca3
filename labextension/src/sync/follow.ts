import { Notebook } from '@jupyterlab/notebook';
import { IDisposable } from '@lumino/disposable';

const NEAR = 64;
const MARGIN = 12;

/** Keeps the end of the notebook visible for a person who is at the end; all others stay where they are. */
export class Follow implements IDisposable {
  constructor(private _notebook: Notebook) {
    this._scroller = _notebook.outerNode;
    this._scroller.addEventListener('scroll', this._onScroll, {
      passive: true
    });
    this._observer = new ResizeObserver(() => this._onResize());
    this._observer.observe(_notebook.viewportNode);
    this._following = this._atEnd();
  }

  isDisposed = false;

  dispose(): void {
    this.isDisposed = true;
    this._observer.disconnect();
    this._scroller.removeEventListener('scroll', this._onScroll);
  }

  /** Called when the agent has added something. */
  grown(): void {
    if (this._following && !this._writing()) {
      this._wanted = true;
      window.requestAnimationFrame(() => this._onResize());
    }
  }

  private _onScroll = (): void => {
    const { scrollTop } = this._scroller;
    if (this._atEnd()) {
      this._following = true;
    } else if (scrollTop < this._last - 1) {
      this._following = this._wanted = false;
    }
    this._last = scrollTop;
  };

  private _onResize(): void {
    if (!this._wanted || !this._following || this._writing()) {
      return;
    }
    const below = this._below();
    if (below === null) {
      const last = this._notebook.widgets.length - 1;
      this._notebook.scrollToItem(last, 'end').catch(() => undefined);
    } else if (below > 0) {
      this._scroller.scrollTop += below;
    }
  }

  private _atEnd(): boolean {
    const below = this._below();
    return below !== null && below < NEAR;
  }

  /** How far the last cell's end is below the view; null if JupyterLab has not laid it out. */
  private _below(): number | null {
    const { widgets } = this._notebook;
    const node = widgets[widgets.length - 1]?.node;
    if (!node) {
      return 0;
    }
    return node.isConnected
      ? node.getBoundingClientRect().bottom -
          this._scroller.getBoundingClientRect().bottom +
          MARGIN
      : null;
  }

  /** Whether the person is writing; then the view does not scroll. */
  private _writing(): boolean {
    return (
      this._notebook.mode === 'edit' &&
      this._notebook.node.contains(document.activeElement)
    );
  }

  private _scroller: HTMLElement;
  private _observer: ResizeObserver;
  private _following: boolean;
  private _wanted = false;
  private _last = 0;
}
