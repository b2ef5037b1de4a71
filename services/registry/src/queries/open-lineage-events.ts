import { parseVersionedName } from '@millrace/resources';
import type { AuditEntry } from './audit.query.js';
import { dashed, facet, failed, jobType, PRODUCER, SPEC, uriOf, uuidOf, type Values } from './open-lineage-facets.js';
import {
  featureResource,
  materializationRun,
  trainingSetColumns,
  trainingSetInputs,
  type LineageStatement,
} from './open-lineage-features.js';

/** An accepted decision, as far as it says something of lineage. */
export type LineageDecision = Omit<AuditEntry, 'reason' | 'commandId' | 'keyId'>;

/** Decisions that came before on a subject; by them an event can say what its own decision does not repeat. */
export type EarlierDecisions = (
  domain: string,
  subject: string,
  before: number,
) => readonly Pick<LineageDecision, 'type' | 'sequence' | 'data'>[];

/** An event of the OpenLineage spec, with an id that is the same whenever it is made again. */
export interface LineageEvent {
  readonly id: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The decisions there is something to tell of. */
export const LINEAGE_TYPES = [
  'RunCreated',
  'RunUpdated',
  'RunFinished',
  'RunAnnotated',
  'DatasetsLogged',
  'VersionRegistered',
  'AliasAssigned',
  'TrainingSetRequested',
  'TrainingSetBuilt',
  'TrainingSetFailed',
  'ResourceApplied',
  'ResourceDeleted',
  'MaterializationStarted',
  'MaterializationFinished',
  'MaterializationFailed',
  'MaterializationCancelled',
];

/** Decisions that later ones on the same subject, or of a version's run, look back to. */
export const LOOKED_BACK_TO = [
  'RunCreated',
  'RunAnnotated',
  'DatasetsLogged',
  'VersionRegistered',
  'TrainingSetRequested',
  'MaterializationStarted',
];

const TRAINING_SET_KEYS = ['training_set', 'trainingSet', 'millrace.trainingSet', 'millrace.training_set'];
const ENDS: Readonly<Record<string, string>> = { FINISHED: 'COMPLETE', FAILED: 'FAIL', KILLED: 'ABORT', RUNNING: 'RUNNING' };

/**
 * What a decision says of lineage: runs of experiments and training sets as runs, their data as inputs, versions and training sets as outputs,
 * aliases and deployments as what they point to. A pure function of the log, so that the same event can be made again.
 */
export function lineageEvents(decision: LineageDecision, earlier: EarlierDecisions, namespace: string): LineageEvent[] {
  const make = new Maker(decision, namespace);
  const data = decision.data as Values;
  const before = (): ReturnType<EarlierDecisions> => earlier(decision.domain, decision.subject, decision.sequence);
  switch (decision.type) {
    case 'RunCreated':
      return make.run(data, 'START', { inputs: make.trainingSets([data]) });
    case 'RunUpdated':
      return data['status'] === 'RUNNING' ? make.runOf(before(), 'RUNNING', {}) : [];
    case 'RunFinished': {
      const told = before();
      const end = ENDS[String(data['status'])] ?? 'OTHER';
      return make.runOf(told, end, { inputs: [...make.datasets(told), ...make.trainingSets(told.map((one) => one.data as Values))] });
    }
    case 'DatasetsLogged':
      return make.runOf(before(), 'RUNNING', { inputs: make.datasets([decision]) });
    case 'RunAnnotated': {
      const inputs = make.trainingSets([data]);
      return inputs.length === 0 ? [] : make.runOf(before(), 'RUNNING', { inputs });
    }
    case 'VersionRegistered': {
      const version = make.version(String(data['name']), Number(data['version']), data);
      const run = typeof data['runId'] === 'string' ? earlier('tracking', `run/${data['runId']}`, Infinity) : [];
      const told = make.runOf(run, 'OTHER', { outputs: [version] });
      return told.length > 0 ? told : make.dataset(version);
    }
    case 'AliasAssigned': {
      const registered = before().find((one) => one.type === 'VersionRegistered' && (one.data as Values)['version'] === data['version']);
      const name = (registered?.data as Values | undefined)?.['name'];
      return typeof name === 'string' ? make.dataset(make.alias(name, String(data['alias']), Number(data['version']))) : [];
    }
    case 'TrainingSetRequested':
      return make.trainingSetRun(data, 'START', { inputs: trainingSetInputs(data, namespace) });
    case 'TrainingSetBuilt':
    case 'TrainingSetFailed': {
      const requested = before().find((one) => one.type === 'TrainingSetRequested')?.data as Values | undefined;
      if (!requested) return [];
      const isBuilt = decision.type === 'TrainingSetBuilt';
      return make.trainingSetRun(requested, isBuilt ? 'COMPLETE' : 'FAIL', {
        inputs: trainingSetInputs(requested, namespace),
        ...(isBuilt ? { outputs: [make.builtTrainingSet(requested, data)] } : { error: String(data['message']) }),
      });
    }
    case 'ResourceApplied':
    case 'ResourceDeleted':
      return decision.type === 'ResourceApplied' && data['kind'] === 'Deployment'
        ? make.deployment(String(data['name']), data['spec'] as Values)
        : make.told(featureResource(decision.type, data, namespace));
    case 'MaterializationStarted':
      return make.told([materializationRun(data, 'START', namespace)]);
    case 'MaterializationFinished':
    case 'MaterializationFailed':
    case 'MaterializationCancelled': {
      const id = data['materializationId'];
      const started = before().find((one) => one.type === 'MaterializationStarted' && (one.data as Values)['materializationId'] === id);
      if (!started) return [];
      const error = decision.type === 'MaterializationFailed' ? String(data['message']) : undefined;
      return make.told([materializationRun(started.data as Values, MATERIALIZATION_ENDS[decision.type], namespace, error)]);
    }
    default:
      return [];
  }
}

const MATERIALIZATION_ENDS = {
  MaterializationFinished: 'COMPLETE',
  MaterializationFailed: 'FAIL',
  MaterializationCancelled: 'ABORT',
} as const;

interface Involved {
  readonly inputs?: readonly Values[];
  readonly outputs?: readonly Values[];
  readonly error?: string;
}

class Maker {
  readonly #id: string;

  constructor(
    private readonly decision: LineageDecision,
    private readonly namespace: string,
  ) {
    this.#id = uuidOf(`${decision.domain} ${decision.subject} ${decision.sequence}`);
  }

  run(created: Values, eventType: string, involved: Involved): LineageEvent[] {
    const runId = String(created['runId']);
    if (!/^[0-9a-f]{32}$/.test(runId)) return [];
    const run = { runId: dashed(runId), facets: { ...this.#about('RunFacet'), ...failed(involved.error) } };
    const job = { namespace: this.namespace, name: `experiments/${String(created['experimentId'])}`, facets: jobType('EXPERIMENT') };
    return this.#event('RunEvent', { eventType, run, job, inputs: involved.inputs ?? [], outputs: involved.outputs ?? [] });
  }

  runOf(earlier: ReturnType<EarlierDecisions>, eventType: string, involved: Involved): LineageEvent[] {
    const created = earlier.find(({ type }) => type === 'RunCreated');
    return created ? this.run(created.data as Values, eventType, involved) : [];
  }

  trainingSetRun(requested: Values, eventType: string, involved: Involved): LineageEvent[] {
    const id = String(requested['trainingSetId']);
    const run = { runId: uuidOf(`training-set ${id}`), facets: { ...this.#about('RunFacet'), ...failed(involved.error) } };
    const job = {
      namespace: this.namespace,
      name: `feature-services/${String(requested['featureService'])}/training-set`,
      facets: jobType('TRAINING_SET'),
    };
    return this.#event('RunEvent', { eventType, run, job, inputs: involved.inputs ?? [], outputs: involved.outputs ?? [] });
  }

  deployment(name: string, spec: Values): LineageEvent[] {
    const model = /^models:\/([^/@]+)(?:@([^/@]+)|\/(\d+))$/.exec(String(spec['model']));
    const { featureService } = spec;
    const inputs = [
      ...(model
        ? [{ namespace: this.namespace, name: `models/${model[1]}${model[2] === undefined ? `/${model[3]}` : `@${model[2]}`}` }]
        : []),
      ...(typeof featureService === 'string'
        ? [{ namespace: this.namespace, name: `feature-services/${parseVersionedName(featureService).name}` }]
        : []),
    ];
    const job = {
      namespace: this.namespace,
      name: `deployments/${name}`,
      facets: { ...jobType('DEPLOYMENT'), ...this.#about('JobFacet') },
    };
    return this.#event('JobEvent', { job, inputs, outputs: [] });
  }

  dataset(dataset: Values): LineageEvent[] {
    return this.#event('DatasetEvent', {
      dataset: { ...dataset, facets: { ...(dataset['facets'] as Values), ...this.#about('DatasetFacet') } },
    });
  }

  version(name: string, version: number, { digest }: Values): Values {
    const facets = {
      version: facet('1-0-1/DatasetVersionDatasetFacet', { datasetVersion: typeof digest === 'string' ? digest : String(version) }),
    };
    return { namespace: this.namespace, name: `models/${name}/${version}`, facets };
  }

  alias(name: string, alias: string, version: number): Values {
    const identifiers = [{ namespace: this.namespace, name: `models/${name}/${version}`, type: 'MODEL_VERSION' }];
    return {
      namespace: this.namespace,
      name: `models/${name}@${alias}`,
      facets: { symlinks: facet('1-0-1/SymlinksDatasetFacet', { identifiers }) },
    };
  }

  trainingSet(id: string, sha256: string): Values {
    return {
      namespace: this.namespace,
      name: `training-sets/${id}`,
      facets: sha256 === '' ? {} : { version: facet('1-0-1/DatasetVersionDatasetFacet', { datasetVersion: sha256 }) },
    };
  }

  /** Training sets a run names in its params or tags. */
  trainingSets(told: readonly Values[]): Values[] {
    const ids = told.flatMap(({ params, tags }) =>
      TRAINING_SET_KEYS.flatMap((key) => [(params as Values | undefined)?.[key], (tags as Values | undefined)?.[key]]),
    );
    return [...new Set(ids.filter((id): id is string => typeof id === 'string' && id !== ''))].map((id) => this.trainingSet(id, ''));
  }

  datasets(told: readonly Pick<LineageDecision, 'type' | 'data'>[]): Values[] {
    const inputs = told
      .filter(({ type }) => type === 'DatasetsLogged')
      .flatMap(({ data }) => (data as { inputs: readonly Values[] }).inputs);
    return inputs.map(({ name, digest, sourceType, source }) => ({
      namespace: this.namespace,
      name: `datasets/${String(name)}`,
      facets: {
        version: facet('1-0-1/DatasetVersionDatasetFacet', { datasetVersion: String(digest) }),
        dataSource: facet('1-0-1/DatasourceDatasetFacet', { name: String(sourceType), ...uriOf(source) }),
      },
    }));
  }

  builtTrainingSet(requested: Values, { sha256, columns }: Values): Values {
    const set = this.trainingSet(String(requested['trainingSetId']), String(sha256));
    return { ...set, facets: { ...(set['facets'] as Values), ...trainingSetColumns(requested, columns, this.namespace) } };
  }

  /** What a decision of the features says, each with an id of its own. */
  told(statements: readonly LineageStatement[]): LineageEvent[] {
    return statements.map((statement, place) => {
      const id = place === 0 ? this.#id : uuidOf(`${this.#id} ${place}`);
      return { id, body: this.#body(statement.kind, this.#annotated(statement, id)) };
    });
  }

  /** A statement with the facet that says which decision it is of. */
  #annotated({ kind, body }: LineageStatement, id: string): Values {
    const [part, base] = PARTS[kind];
    const own = body[part] as Values;
    return { ...body, [part]: { ...own, facets: { ...(own['facets'] as Values | undefined), ...this.#about(base, id) } } };
  }

  #event(kind: LineageStatement['kind'], body: Values): LineageEvent[] {
    return [{ id: this.#id, body: this.#body(kind, body) }];
  }

  #body(kind: LineageStatement['kind'], body: Values): Values {
    return { eventTime: this.decision.time, producer: PRODUCER, schemaURL: `${SPEC}/${kind}`, ...body };
  }

  /** The decision it is made of: OpenLineage's events have no id of their own. */
  #about(base: 'RunFacet' | 'JobFacet' | 'DatasetFacet', eventId = this.#id): Values {
    const { position, actor, subject, type } = this.decision;
    return {
      millrace: { _producer: PRODUCER, _schemaURL: `${SPEC}/${base}`, eventId, position, actor, subject, decision: type },
    };
  }
}

const PARTS = { RunEvent: ['run', 'RunFacet'], JobEvent: ['job', 'JobFacet'], DatasetEvent: ['dataset', 'DatasetFacet'] } as const;
