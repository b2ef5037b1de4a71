import { quoteIdentifier, quoteString, quoteTable } from '@millrace/offline-store';

export interface ViewColumn {
  readonly name: string;
  /** In ClickHouse's words. */
  readonly type: string;
  readonly comment: string;
}

/** A statement that makes a view, or makes it anew. */
export function createView(name: string, columns: readonly ViewColumn[], select: string, comment: string): string {
  const declared = columns.map((column) => {
    const about = column.comment === '' ? '' : ` COMMENT ${quoteString(column.comment)}`;
    return `${quoteIdentifier(column.name)} ${column.type}${about}`;
  });
  return `CREATE OR REPLACE VIEW ${quoteTable(name)} (${declared.join(', ')}) AS ${select} COMMENT ${quoteString(comment)}`;
}
