/**
 * The few parts of the browser that the page uses. TypeScript's own "dom" library would make them global names in all of
 * the program, where `name` or `event` must stay errors.
 */

export interface PageEvent {
  readonly type: string;
  readonly key: string;
  readonly clientX: number;
  readonly deltaY: number;
  readonly button: number;
  readonly pointerId: number;
  readonly pointerType: string;
  readonly ctrlKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
  readonly target: PageElement;
  preventDefault(): void;
}

export interface PageElement {
  textContent: string | null;
  className: string;
  hidden: boolean;
  value: string;
  open: boolean;
  readonly style: Record<string, string>;
  readonly dataset: Record<string, string | undefined>;
  readonly clientWidth: number;
  readonly clientHeight: number;
  readonly offsetWidth: number;
  getBoundingClientRect(): { readonly left: number; readonly width: number };
  querySelector(selectors: string): PageElement | null;
  querySelectorAll(selectors: string): Iterable<PageElement>;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  append(...children: (PageElement | string)[]): void;
  replaceChildren(...children: (PageElement | string)[]): void;
  addEventListener(type: string, listener: (event: PageEvent) => void, options?: { passive: boolean }): void;
  setPointerCapture(pointerId: number): void;
}

export interface Chart {
  setOption(option: unknown, settings: { readonly notMerge: boolean; readonly lazyUpdate: boolean }): void;
  getZr(): { flush(): void };
  resize(size: { readonly width: number; readonly height: number }): void;
  dispose(): void;
}

export interface Media {
  readonly matches: boolean;
  addEventListener(type: "change", listener: () => void): void;
}

interface Observer {
  observe(element: PageElement): void;
}

export interface Browser {
  readonly document: PageElement & {
    readonly documentElement: PageElement;
    readonly activeElement: PageElement | null;
    getElementById(id: string): PageElement | null;
    createElement(name: string): PageElement;
  };
  readonly echarts: {
    init(element: PageElement, theme: null, settings: Readonly<Record<string, unknown>>): Chart;
  };
  readonly IntersectionObserver: new (
    seen: (entries: readonly { readonly target: PageElement; readonly isIntersecting: boolean }[]) => void,
    settings: { readonly rootMargin: string },
  ) => Observer;
  readonly ResizeObserver: new (resized: () => void) => Observer;
  matchMedia(query: string): Media;
  addEventListener(type: string, listener: () => void): void;
  requestAnimationFrame(callback: () => void): number;
}

export const browser = globalThis as unknown as Browser;

/** @throws Error when the page lacks it */
export function elementById(id: string): PageElement {
  const element = browser.document.getElementById(id);
  if (element === null) throw new Error(`the page has no element "${id}"`);
  return element;
}

/** A new element with a class and a text, which is never taken for markup. */
export function newElement(name: string, className: string, text = ""): PageElement {
  const element = browser.document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}
