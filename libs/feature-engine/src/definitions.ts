/** A stream of events: where it is and what its events hold. The plain shape of a `Source` resource. */
export interface SourceDefinition {
  readonly name: string;
  readonly topic: string;
  /** Column name -> type, in ClickHouse's words. */
  readonly schema: Readonly<Record<string, string>>;
  /** The column that says when the event happened. */
  readonly eventTime: string;
  /** The column that names the event; events with the same id are one, and the later in the log stands. */
  readonly eventId?: string | undefined;
  /** What a later event of the same id may change: `values` (the default), or its event time as well, however far: `times`. */
  readonly corrections?: 'values' | 'times' | undefined;
  /** Columns whose values make the record's key, in this order. Without it an entity's events may be in any partition. */
  readonly key?: readonly string[] | undefined;
}

/** What features are about. The plain shape of an `Entity` resource. */
export interface EntityDefinition {
  readonly name: string;
  /** Join key -> type, in order. A join key is also the name of the source's column. */
  readonly joinKeys: Readonly<Record<string, string>>;
}

export type Aggregate =
  | 'count'
  | 'sum'
  | 'mean'
  | 'min'
  | 'max'
  | 'first'
  | 'last'
  | 'var_pop'
  | 'var_samp'
  | 'stddev_pop'
  | 'stddev_samp'
  | 'count_distinct'
  | 'top_k'
  | 'quantile';

export type WindowKind = 'sliding' | 'tumbling' | 'session' | 'lifetime';

export interface FeatureDefinition {
  readonly name: string;
  /** How the events of the window become a value. A feature has this or an expression. */
  readonly aggregate?: Aggregate | undefined;
  /** Of the view's other features (on demand: of its inputs and the request), and of `asked_at`, the time that is asked for. */
  readonly expression?: string | undefined;
  /** Needed by all but `count`; with it `count` counts the values that are not null. */
  readonly column?: string | undefined;
  /** `[T - window, T)`. Needed by all but `last` and a lifetime; without it `last` is the latest value at or before T. Of a session: the longest it can be. */
  readonly window?: string | undefined;
  /** `sliding` when absent. */
  readonly windowKind?: WindowKind | undefined;
  /** Of a session: the longest time between two events of it. */
  readonly gap?: string | undefined;
  /** Events at T itself count too: `[T - window, T]`. */
  readonly includeCurrent?: boolean | undefined;
  /** Only events for which this expression over the source's columns is true count. */
  readonly filter?: string | undefined;
  /** Of `top_k`: how many values. */
  readonly k?: number | undefined;
  /** Of `quantile`: which, 0 to 1. */
  readonly quantile?: number | undefined;
}

/** Features of one entity from one source. The plain shape of a `FeatureView` resource. */
export interface FeatureViewDefinition {
  readonly name: string;
  readonly entity: string;
  readonly source: string;
  readonly features: readonly FeatureDefinition[];
  /** How old a latest value may be. */
  readonly ttl?: string | undefined;
  /** Kept in the online store; true when absent. */
  readonly online?: boolean | undefined;
  /** How far behind an entity's newest event an online read may ask and still be exact; one hour when absent. */
  readonly history?: string | undefined;
  /** Time covered by one stored chunk; the longest window (28 days at most) when absent. Shorter suits entities with very many events. */
  readonly span?: string | undefined;
}

/** Features computed when they are asked for, from features of other views and from what the caller brings. The plain shape of a `FeatureView` resource without a source. */
export interface OnDemandViewDefinition {
  readonly name: string;
  /** `view` or `view:feature`: what expressions may use, by the feature's name, or `view__feature` where two views have one of that name. */
  readonly inputs?: readonly string[] | undefined;
  /** Views that are meant by another name than their reference says: `trips` -> `trips@3`. */
  readonly pins?: Readonly<Record<string, string>> | undefined;
  /** What the caller brings along: name -> type. */
  readonly request?: Readonly<Record<string, string>> | undefined;
  /** Expressions alone. */
  readonly features: readonly FeatureDefinition[];
}

/** What a model asks for. The plain shape of a `FeatureService` resource. */
export interface FeatureServiceDefinition {
  readonly name: string;
  /** `view` for all of a view's features, or `view:feature`. */
  readonly features: readonly string[];
  /** What the caller brings along: name -> type. */
  readonly request?: Readonly<Record<string, string>> | undefined;
}
