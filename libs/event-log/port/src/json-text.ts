/** Data that is JSON already: a fact of it is written as it stands. Who makes one vouches that the text is one whole JSON value. */
export class JsonText {
  constructor(readonly text: string) {}
}
