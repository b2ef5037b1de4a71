import { defineConfig, duration, variable } from '@millrace/service';

export const experimentationConfig = defineConfig('experimentation', {
  resultsDeadlineMs: variable(
    'MILLRACE_EXPERIMENTATION_RESULTS_DEADLINE',
    duration('10s', { least: '1ms' }),
    'How long results wait for the tables to hold what the log holds.',
  ),
});
