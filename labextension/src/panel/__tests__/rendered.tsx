import * as React from 'react';
import { createRoot, Root } from 'react-dom/client';

(globalThis as any).IS_REACT_ACT_ENVIRONMENT = true;

/** Where each test of a file renders parts of the panel; it is gone after the test. */
export class Place {
  constructor() {
    beforeEach(() => {
      this.node = document.createElement('div');
      this._root = createRoot(this.node);
    });
    afterEach(() => React.act(() => this._root.unmount()));
  }

  node!: HTMLElement;

  show(element: React.ReactElement): void {
    React.act(() => this._root.render(element));
  }

  private _root!: Root;
}
