// node bench/dist/tracking/stub-server.js PORT
// Answers everything at once: what a client takes for itself. A run has to be in the answer to the calls whose answer the client reads.
import { createServer } from 'node:http';
import { argv } from 'node:process';

const info = {
  run_id: 'a'.repeat(32),
  run_uuid: 'a'.repeat(32),
  experiment_id: '0',
  status: 'RUNNING',
  start_time: 1,
  artifact_uri: 'mlflow-artifacts:/0',
};
const RUN = JSON.stringify({
  run: { info: { ...info, lifecycle_stage: 'active' }, data: {} },
  run_info: { ...info, lifecycle_stage: 'active' },
});

createServer((request, response) => {
  request.resume().on('end', () => {
    response.setHeader('content-type', 'application/json');
    response.end(/runs\/(create|get|update)/.test(request.url ?? '') ? RUN : '{}');
  });
}).listen(Number(argv[2]), '127.0.0.1', () => console.log('listening'));
