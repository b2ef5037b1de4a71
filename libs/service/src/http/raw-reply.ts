/** What is used of the response below a reply: Node's own has all of it. */
export interface RawReply {
  readonly statusCode: number;
  readonly headersSent: boolean;
  /** Nothing can be sent any more. */
  readonly destroyed: boolean;
  /** All of it has been sent. */
  readonly writableFinished: boolean;
  /** When it was sent, or its connection has gone. */
  on(event: 'close', listener: () => void): unknown;
  /** `headers`: names and values in turn. */
  writeHead(status: number, headers: string[]): unknown;
  end(body: string | Buffer, encoding: 'latin1' | 'utf8'): unknown;
  /** Ends the connection. */
  destroy(): unknown;
}
