import { GraphQLError, Kind, parse, type DocumentNode, type FragmentDefinitionNode, type SelectionSetNode } from 'graphql';

/** MLflow's own bounds: one request must not ask for what a hundred could not. */
export const QUERY_LIMITS = { rootFields: 10, aliases: 10, depth: 10, selections: 1000, tokens: 20_000 } as const;

/** Parses a query. One that is nested so deep that the parser's stack ends before its bound of tokens is told as any that is too deep. */
export function parseQuery(query: string): DocumentNode {
  try {
    return parse(query, { maxTokens: QUERY_LIMITS.tokens });
  } catch (error) {
    if (error instanceof Error && error.name === 'RangeError') throw new GraphQLError(tooDeep());
    throw error;
  }
}

function tooDeep(): string {
  return `Query exceeds maximum depth of ${QUERY_LIMITS.depth}`;
}

/** Why a query asks for too much; nothing when it does not. Fragments count wherever they are used. */
export function excessOf(document: DocumentNode): string | undefined {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  let [selections, rootFields, aliases] = [0, 0, 0];
  /** Counts what one level of fields asks for, fragments opened; false when it is too much to go on. */
  const walk = (sets: readonly SelectionSetNode[], depth: number): string | undefined => {
    if (depth > QUERY_LIMITS.depth) return tooDeep();
    let aliasesHere = 0;
    const below: SelectionSetNode[] = [];
    const open = [...sets];
    for (let set = open.pop(); set; set = open.pop()) {
      for (const selection of set.selections) {
        if (++selections > QUERY_LIMITS.selections) return `Query exceeds maximum total selections of ${QUERY_LIMITS.selections}`;
        if (selection.kind === Kind.INLINE_FRAGMENT) open.push(selection.selectionSet);
        else if (selection.kind === Kind.FRAGMENT_SPREAD) {
          // A fragment within itself runs into the bound of selections.
          const fragment = fragments.get(selection.name.value);
          if (fragment) open.push(fragment.selectionSet);
        } else {
          if (depth === 1) rootFields++;
          if (selection.alias) aliasesHere++;
          if (selection.selectionSet) below.push(selection.selectionSet);
        }
      }
    }
    aliases = Math.max(aliases, aliasesHere);
    for (const set of below) {
      const excess = walk([set], depth + 1);
      if (excess !== undefined) return excess;
    }
    return undefined;
  };
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const excess = walk([definition.selectionSet], 1);
    if (excess !== undefined) return excess;
  }
  const over = (what: string, got: number, most: number) =>
    got > most ? `GraphQL queries should have at most ${most} ${what}, got ${got} ${what}.` : undefined;
  return over('root fields', rootFields, QUERY_LIMITS.rootFields) ?? over('aliases', aliases, QUERY_LIMITS.aliases);
}
