import { countField, enumField, flagField, listField, namedSchema, numberField, objectOf, orNull, textField } from '@millrace/service';
import type { Comparison, ExperimentResults, MetricResult, VariantCount, VariantEstimate } from '../../queries/experiment-results.query.js';

export const NO_EXPERIMENT = { 404: 'No such Experiment is applied.' };

const VARIANT = textField('Of the experiment.');

export const ASSIGNMENTS_ANSWER = objectOf({
  experiment: textField('The Experiment.'),
  unit: textField('What its units are, as `user`.'),
  assignments: listField(
    'In the order of the units.',
    objectOf({
      unit: textField('As it was sent.'),
      variant: textField('The same whenever and wherever it is asked for; `null` where the unit takes no part.', {
        type: ['string', 'null'],
      }),
    }),
  ),
});

export const RECORDED_ANSWER = objectOf({ recorded: countField('Facts that are on the log now.') });

export const RESULTS_ANSWER = objectOf<ExperimentResults>({
  experiment: textField('The Experiment.'),
  control: textField('The first variant, which the others are compared with.'),
  level: numberField('Of the intervals, between 0 and 1.'),
  variants: listField(
    'In their order.',
    objectOf<VariantCount>({
      variant: VARIANT,
      weight: numberField('As the experiment gives it, beside those of the others.'),
      units: countField('That met it first.'),
    }),
  ),
  sampleRatio: {
    ...orNull(
      namedSchema(
        'SampleRatioTest',
        objectOf<NonNullable<ExperimentResults['sampleRatio']>>({
          statistic: numberField('Of Pearson’s chi-square.'),
          degreesOfFreedom: countField('Variants with a weight, less one.'),
          pValue: numberField('0 to 1.'),
          isMismatch: flagField('The p-value is below 0.001: assignment or recording is broken.'),
        }),
      ),
    ),
    description: 'Whether the counts fit the weights; `null` without units.',
  },
  multipleExposures: countField('Units that met more than one variant; they count where they were first.'),
  metrics: listField(
    'In their order.',
    objectOf<MetricResult>({
      name: textField('Of the metric.'),
      source: enumField('Where its values come from.', ['outcome', 'label']),
      'label?': textField('Of a metric over labels: the label’s name.'),
      type: enumField('What a unit’s value is.', ['mean', 'proportion', 'squaredError']),
      variants: listField(
        'In their order.',
        objectOf<VariantEstimate>({
          variant: VARIANT,
          n: countField('Units with a value.'),
          mean: orNull(numberField('Of their values; `null` without any.')),
          variance: orNull(numberField('Of their values, divided by n - 1; `null` of fewer than two.')),
        }),
      ),
      comparisons: listField(
        'Each variant with the control; without those that are too small.',
        objectOf<Comparison>({
          variant: VARIANT,
          difference: numberField('The variant’s mean less the control’s.'),
          statistic: numberField('Of the test.'),
          pValue: numberField('Two-sided, 0 to 1.'),
          interval: {
            ...objectOf<Comparison['interval']>({
              lower: numberField('Its lower end.'),
              upper: numberField('Its upper end.'),
              level: numberField('Between 0 and 1.'),
            }),
            description: 'Of the difference.',
          },
          'standardError?': numberField('Of Welch’s test; absent of a proportion.'),
          'degreesOfFreedom?': numberField('Of Welch’s test; absent of a proportion.'),
        }),
      ),
    }),
  ),
});
