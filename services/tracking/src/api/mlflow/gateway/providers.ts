/** A setting or a secret that a provider asks for. */
interface ProviderField {
  readonly name: string;
  readonly description: string;
  readonly required?: boolean;
  readonly default?: string;
}

/** One way to authenticate. */
interface AuthMode {
  readonly mode: string;
  readonly title: string;
  readonly description: string;
  readonly secrets: readonly ProviderField[];
  readonly settings: readonly ProviderField[];
}

interface Provider {
  /** The first is the one to begin with. */
  readonly auth: readonly AuthMode[];
  readonly chat: readonly string[];
  readonly embedding?: readonly string[];
}

const REGION = { name: 'aws_region_name', description: 'AWS region, such as eu-central-1' };

/** The way of most: a key, and where it is not the provider's own server, an address. */
function withKey(title: string, base?: Partial<ProviderField>): AuthMode {
  return {
    ...{ mode: 'api_key', title: 'API key', description: `A key of ${title}` },
    secrets: [{ name: 'api_key', description: `API key of ${title}`, required: true }],
    settings: [{ name: 'api_base', description: 'Address of the API, where it is not the usual one', ...base }],
  };
}

const BEDROCK: readonly AuthMode[] = [
  {
    ...{ mode: 'api_key', title: 'API key', description: 'A key of Amazon Bedrock' },
    secrets: [{ name: 'api_key', description: 'API key of Amazon Bedrock', required: true }],
    settings: [{ ...REGION, required: true }],
  },
  {
    ...{ mode: 'access_keys', title: 'Access keys', description: 'An access key of AWS with its secret' },
    secrets: [
      { name: 'aws_access_key_id', description: 'Access key id', required: true },
      { name: 'aws_secret_access_key', description: 'Secret access key', required: true },
    ],
    settings: [REGION],
  },
  {
    ...{ mode: 'iam_role', title: 'IAM role', description: 'A role that is assumed' },
    secrets: [],
    settings: [
      { name: 'aws_role_name', description: 'ARN of the role', required: true },
      { name: 'aws_session_name', description: 'Name of the session' },
      REGION,
    ],
  },
];

const AZURE: AuthMode = {
  ...{ mode: 'api_key', title: 'API key', description: 'A key of an Azure OpenAI resource' },
  secrets: [{ name: 'api_key', description: 'API key of the resource', required: true }],
  settings: [
    { name: 'api_base', description: 'Address of the resource, https://<name>.openai.azure.com', required: true },
    { name: 'api_version', description: 'Version of the API', default: '2024-10-21' },
  ],
};

const VERTEX: AuthMode = {
  ...{ mode: 'service_account_json', title: 'Service account', description: 'The key file of a service account' },
  secrets: [{ name: 'vertex_credentials', description: 'Text of the key file', required: true }],
  settings: [
    { name: 'vertex_project', description: 'Project', required: true },
    { name: 'vertex_location', description: 'Region', default: 'us-central1' },
  ],
};

const OLLAMA: AuthMode = {
  ...{ mode: 'api_key', title: 'API key', description: 'A server of Ollama; a key only where a proxy in front asks for one' },
  secrets: [{ name: 'api_key', description: 'Key of the proxy; any text without one' }],
  settings: [{ name: 'api_base', description: 'Address of the server with /v1', required: true, default: 'http://localhost:11434/v1' }],
};

/** Some models of each, to choose from; any other can be named. */
const PROVIDERS: Readonly<Record<string, Provider>> = {
  openai: {
    auth: [withKey('OpenAI', { default: 'https://api.openai.com/v1' })],
    chat: ['gpt-4o', 'gpt-4o-mini', 'gpt-4.1', 'gpt-4.1-mini', 'gpt-4.1-nano', 'o3', 'o4-mini', 'gpt-5', 'gpt-5-mini'],
    embedding: ['text-embedding-3-small', 'text-embedding-3-large'],
  },
  anthropic: {
    auth: [withKey('Anthropic')],
    chat: ['claude-opus-4-1', 'claude-sonnet-4-5', 'claude-haiku-4-5', 'claude-3-5-haiku-latest'],
  },
  azure: { auth: [AZURE], chat: ['gpt-4o', 'gpt-4o-mini', 'gpt-4.1'], embedding: ['text-embedding-3-small', 'text-embedding-3-large'] },
  bedrock: {
    auth: BEDROCK,
    chat: ['anthropic.claude-3-5-sonnet-20241022-v2:0', 'amazon.nova-pro-v1:0', 'amazon.nova-lite-v1:0', 'meta.llama3-1-70b-instruct-v1:0'],
    embedding: ['amazon.titan-embed-text-v2:0', 'cohere.embed-multilingual-v3'],
  },
  cohere: {
    auth: [withKey('Cohere')],
    chat: ['command-a-03-2025', 'command-r-plus', 'command-r'],
    embedding: ['embed-v4.0', 'embed-multilingual-v3.0'],
  },
  databricks: {
    auth: [
      withKey('Databricks', { description: 'Address of the serving endpoints, https://<workspace>/serving-endpoints', required: true }),
    ],
    chat: ['databricks-claude-sonnet-4', 'databricks-meta-llama-3-3-70b-instruct'],
    embedding: ['databricks-gte-large-en', 'databricks-bge-large-en'],
  },
  deepseek: { auth: [withKey('DeepSeek')], chat: ['deepseek-chat', 'deepseek-reasoner'] },
  fireworks_ai: { auth: [withKey('Fireworks')], chat: ['accounts/fireworks/models/llama-v3p3-70b-instruct'] },
  gemini: {
    auth: [withKey('Google AI Studio')],
    chat: ['gemini-2.5-pro', 'gemini-2.5-flash', 'gemini-2.0-flash'],
    embedding: ['gemini-embedding-001'],
  },
  groq: { auth: [withKey('Groq')], chat: ['llama-3.3-70b-versatile', 'llama-3.1-8b-instant'] },
  mistral: {
    auth: [withKey('Mistral')],
    chat: ['mistral-large-latest', 'mistral-small-latest', 'codestral-latest'],
    embedding: ['mistral-embed'],
  },
  ollama: { auth: [OLLAMA], chat: ['llama3.2', 'qwen3', 'mistral'], embedding: ['nomic-embed-text'] },
  openrouter: { auth: [withKey('OpenRouter')], chat: ['openai/gpt-4o', 'anthropic/claude-sonnet-4.5'] },
  perplexity: { auth: [withKey('Perplexity')], chat: ['sonar', 'sonar-pro'] },
  together_ai: { auth: [withKey('Together')], chat: ['meta-llama/Llama-3.3-70B-Instruct-Turbo'] },
  vertex_ai: { auth: [VERTEX], chat: ['gemini-2.5-pro', 'gemini-2.5-flash'], embedding: ['text-embedding-005'] },
  xai: { auth: [withKey('xAI')], chat: ['grok-4', 'grok-3-mini'] },
};

/** Providers whose settings are known here. */
export function providerNames(): string[] {
  return Object.keys(PROVIDERS).sort();
}

export interface ProviderModel {
  readonly model: string;
  readonly provider: string;
  readonly mode: 'chat' | 'embedding';
}

/** Models of one provider, or of all. */
export function modelsOfProviders(only?: string): ProviderModel[] {
  return Object.entries(PROVIDERS)
    .filter(([provider]) => only === undefined || provider === only)
    .flatMap(([provider, { chat, embedding = [] }]) => [
      ...chat.map((model) => ({ model, provider, mode: 'chat' as const })),
      ...embedding.map((model) => ({ model, provider, mode: 'embedding' as const })),
    ]);
}

/** How one authenticates to a provider; to one that is not known here, with a key and an address. */
export function authOf(provider: string): readonly AuthMode[] {
  return Object.hasOwn(PROVIDERS, provider) ? (PROVIDERS[provider] as Provider).auth : [withKey(provider)];
}
