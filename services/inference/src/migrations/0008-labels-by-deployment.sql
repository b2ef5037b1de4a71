-- A label is about a prediction of the deployment it was told for: the ids, units and times of another's are not its own. What was asked under a
-- model's own name has no deployment; its labels are told for that name.
CREATE OR REPLACE VIEW millrace.prediction_labels AS
SELECT
    deployment,
    prediction_id,
    row,
    name,
    argMax(tuple(value, text, time), (time, _partition, _offset)) AS latest
FROM
(
    SELECT deployment, assumeNotNull(prediction_id) AS prediction_id, row, name, value, text, time, _partition, _offset
    FROM millrace.labels FINAL
    WHERE prediction_id IS NOT NULL
    UNION ALL
    SELECT l.deployment, p.prediction_id, p.row, l.name, l.value, l.text, l.time, l._partition, l._offset
    FROM millrace.labels AS l FINAL
    INNER JOIN millrace.predictions AS p FINAL
        ON if(p.deployment = '', p.model, p.deployment) = l.deployment AND p.unit = l.unit AND p.feature_time = l.predicted_at
    WHERE l.prediction_id IS NULL
)
GROUP BY deployment, prediction_id, row, name;

CREATE OR REPLACE VIEW millrace.predictions_labelled AS
SELECT
    p.*,
    l.name AS label_name,
    l.latest.1 AS label,
    l.latest.2 AS label_text,
    l.latest.3 AS label_time
FROM millrace.predictions AS p FINAL
LEFT JOIN millrace.prediction_labels AS l
    ON p.prediction_id = l.prediction_id AND p.row = l.row AND if(p.deployment = '', p.model, p.deployment) = l.deployment
SETTINGS join_use_nulls = 1;
