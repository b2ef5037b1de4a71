/** What is known of a version when its card is written. Gathered from the registry, the run, the files and the resources. */
export interface CardFacts {
  readonly name: string;
  readonly version: number;
  readonly stage: string;
  readonly aliases: readonly string[];
  readonly registeredBy: string;
  /** RFC 3339; `null` for a time that it has no year for, which another registry may have given. */
  readonly registeredAt: string | null;
  readonly modelDescription: string | null;
  readonly description: string | null;
  /** Of the version over those of the model. */
  readonly tags: Readonly<Record<string, string>>;
  readonly digest: string | null;
  readonly signedBy: string | null;
  readonly flavours: readonly string[];
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
  readonly outputs: readonly { readonly name: string; readonly type: string }[];
  readonly fileLicence: string | null;
  readonly run: CardRun | null;
  readonly checks: readonly { readonly check: string; readonly passed: boolean; readonly detail: string; readonly actor: string }[];
  readonly deployments: readonly string[];
}

export interface CardRun {
  readonly runId: string;
  readonly name: string;
  readonly datasets: readonly { readonly name: string; readonly digest: string; readonly context: string | null }[];
  readonly trainingSets: readonly string[];
  readonly params: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, number>>;
}

export const CARD_SECTIONS = [
  'description',
  'intendedUse',
  'licence',
  'trainingData',
  'parameters',
  'metrics',
  'signature',
  'limitations',
] as const;

export type CardSection = (typeof CARD_SECTIONS)[number];

/** Something the card should say and nobody has said. */
export interface CardGap {
  readonly section: CardSection;
  /** How to close it. */
  readonly mend: string;
}

export interface ModelCard extends CardFacts {
  readonly licence: string | null;
  readonly intendedUse: string | null;
  readonly limitations: string | null;
  readonly gaps: readonly CardGap[];
}

const MENDS: Readonly<Record<CardSection, string>> = {
  description: 'describe the version or the model (mlflow: update_model_version, update_registered_model)',
  intendedUse: 'set the tag "intended_use" of the version or the model',
  licence: 'set the tag "licence" of the version or the model',
  trainingData: 'log the dataset to the run (mlflow.log_input), or its training set as the param "training_set"',
  parameters: 'log the params of the run',
  metrics: 'log metrics to the run',
  signature: 'log the model with a signature',
  limitations: 'set the tag "limitations" of the version or the model',
};

/** A version's card: what is known, and what is not. */
export function modelCard(facts: CardFacts): ModelCard {
  const tag = (...names: string[]): string | null =>
    names.map((name) => facts.tags[name]).find((value) => value !== undefined && value !== '') ?? null;
  const licence = tag('licence', 'license') ?? facts.fileLicence;
  const intendedUse = tag('intended_use', 'intendedUse');
  const limitations = tag('limitations');
  const { run } = facts;
  const isThere: Readonly<Record<CardSection, boolean>> = {
    description: Boolean(facts.description || facts.modelDescription),
    intendedUse: intendedUse !== null,
    licence: licence !== null,
    trainingData: run !== null && run.datasets.length + run.trainingSets.length > 0,
    parameters: run !== null && Object.keys(run.params).length > 0,
    metrics: run !== null && Object.keys(run.metrics).length > 0,
    signature: facts.inputs.length > 0,
    limitations: limitations !== null,
  };
  const gaps = CARD_SECTIONS.filter((section) => !isThere[section]).map((section) => ({ section, mend: MENDS[section] }));
  return { ...facts, licence, intendedUse, limitations, gaps };
}

/** The card as people read it. */
export function cardMarkdown(card: ModelCard): string {
  const missing = (section: CardSection): string => `_Not known: ${MENDS[section]}._`;
  const { run } = card;
  const data = [
    ...(run?.datasets ?? []).map(
      ({ name, digest, context }) => `- ${text(name)}, digest \`${code(digest)}\`${context === null ? '' : ` (${text(context)})`}`,
    ),
    ...(run?.trainingSets ?? []).map((id) => `- training set \`${code(id)}\``),
  ];
  const parts = [
    `# ${text(card.name)}, version ${card.version}`,
    list([
      `Stage: ${card.stage}`,
      card.aliases.length > 0 ? `Aliases: ${card.aliases.map(text).join(', ')}` : undefined,
      `Registered by ${text(card.registeredBy)}, ${card.registeredAt ?? 'at a time beyond the year 9999'}`,
      run === null ? undefined : `Run: ${text(run.name)} (\`${code(run.runId)}\`)`,
      card.flavours.length > 0 ? `Flavours: ${card.flavours.map(text).join(', ')}` : undefined,
      card.digest === null ? undefined : `SHA-256: \`${card.digest}\``,
      card.signedBy === null ? 'Not signed' : `Signed with key \`${card.signedBy}\``,
      card.deployments.length > 0 ? `Deployed as ${card.deployments.map(text).join(', ')}` : undefined,
    ]),
    '## Description',
    [card.modelDescription, card.description]
      .filter(Boolean)
      .map((one) => text(one as string))
      .join('\n\n') || missing('description'),
    '## Intended use',
    card.intendedUse === null ? missing('intendedUse') : text(card.intendedUse),
    '## Limitations',
    card.limitations === null ? missing('limitations') : text(card.limitations),
    '## Licence',
    card.licence === null ? missing('licence') : text(card.licence),
    '## Training data',
    data.length > 0 ? data.join('\n') : missing('trainingData'),
    '## Parameters',
    table(['param', 'value'], Object.entries(run?.params ?? {})) ?? missing('parameters'),
    '## Metrics',
    table(
      ['metric', 'value'],
      Object.entries(run?.metrics ?? {}).map(([key, value]) => [key, String(value)]),
    ) ?? missing('metrics'),
    '## Inputs and outputs',
    table(
      ['', 'name', 'type'],
      [...card.inputs.map(({ name, type }) => ['in', name, type]), ...card.outputs.map(({ name, type }) => ['out', name, type])],
    ) ?? missing('signature'),
    '## Checks',
    table(
      ['check', 'result', 'detail', 'by'],
      card.checks.map((one) => [one.check, one.passed ? 'passed' : 'failed', one.detail, one.actor]),
    ) ?? '_None recorded._',
  ];
  return `${parts.join('\n\n')}\n`;
}

function list(lines: readonly (string | undefined)[]): string {
  return lines
    .filter((line) => line !== undefined)
    .map((line) => `- ${line}`)
    .join('\n');
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string | undefined {
  if (rows.length === 0) return undefined;
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => text(cell).replace(/\n+/g, ' ')).join(' | ')} |`;
  return [line(headings), `| ${headings.map(() => '---').join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** Text from outside: nothing of it may act as markup. */
function text(value: string): string {
  return value.replace(/[\\`*_[\]<>|#]/g, '\\$&');
}

function code(value: string): string {
  return value.replaceAll('`', "'");
}
