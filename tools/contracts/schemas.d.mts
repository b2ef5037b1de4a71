export interface EventSchema {
  /** `<domain>.<EventType>.v<N>` */
  readonly key: string;
  readonly domain: string;
  readonly type: string;
  readonly version: number;
  readonly path: string;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly golden: readonly unknown[] | undefined;
}

export interface KindSchema {
  readonly kind: string;
  readonly path: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface History {
  readonly domain: string;
  readonly name: string;
  readonly events: readonly { readonly type: string; readonly version: number; readonly data: unknown }[];
}

export const root: string;
export const schemasRoot: string;
export function readEvents(base?: string): readonly EventSchema[];
export function readKinds(base?: string): readonly KindSchema[];
export function readHistories(base?: string): readonly History[];
export function problemsOf(events: readonly EventSchema[]): readonly string[];
