// Lints texts as if they stood at the given paths and prints which rules they break. Input: JSON [{file, text}] on stdin.
import { ESLint } from 'eslint';

let input = '';
for await (const chunk of process.stdin) input += chunk;
const eslint = new ESLint();
const broken = [];
for (const { file, text } of JSON.parse(input)) {
  const [result] = await eslint.lintText(text, { filePath: file });
  broken.push(result.messages.map((message) => ({ rule: message.ruleId, message: message.message })));
}
console.log(JSON.stringify(broken));
