/** The flavours of an MLflow model directory: by name, what its `MLmodel` says of each. */
export type Flavors = Readonly<
  Record<string, { readonly data?: unknown; readonly pickled_model?: unknown; readonly model_path?: unknown }>
>;

const HOW_TO = 'docs/how-to/serve-a-python-model.md';

/** How a model of a flavour becomes ONNX, in the words one types. `X` is some of the data it was trained on. */
const CONVERSIONS: Readonly<Record<string, { readonly name: string; readonly convert: string }>> = {
  sklearn: { name: 'scikit-learn', convert: "skl2onnx.to_onnx(model, X[:1], options={'zipmap': False})" },
  lightgbm: { name: 'LightGBM', convert: 'onnxmltools.convert_lightgbm(model, initial_types=..., zipmap=False)' },
  xgboost: { name: 'XGBoost', convert: 'onnxmltools.convert_xgboost(model, initial_types=...)' },
  catboost: { name: 'CatBoost', convert: "model.save_model(path, format='onnx')" },
  pytorch: { name: 'PyTorch', convert: 'torch.onnx.export(model, example, path)' },
  tensorflow: { name: 'TensorFlow', convert: 'tf2onnx.convert.from_keras(model)' },
  keras: { name: 'Keras', convert: 'tf2onnx.convert.from_keras(model)' },
  spark: { name: 'Spark ML', convert: 'onnxmltools.convert_sparkml(model, name, initial_types=...)' },
};

/** What to tell who deploys a version that has no ONNX graph: what it is instead, and how to mend it. */
export function onnxMend(flavors: Flavors): string {
  const flavor = Object.keys(CONVERSIONS).find((known) => Object.hasOwn(flavors, known));
  const conversion = flavor === undefined ? undefined : CONVERSIONS[flavor];
  if (flavor === undefined || !conversion) {
    const names = Object.keys(flavors).sort().join(', ');
    return `has no ONNX graph, which is what the gateway serves, but only the flavours ${names}; log it with mlflow.onnx.log_model (${HOW_TO})`;
  }
  const { pickled_model, data, model_path } = flavors[flavor] ?? {};
  const file = [pickled_model, data, model_path].find((name): name is string => typeof name === 'string');
  const held = file === undefined ? '' : ` (${file})`;
  return (
    `is a ${conversion.name} model in Python's own form${held} and has no ONNX graph, which is what the gateway serves. ` +
    `Convert it when you log it: mlflow.onnx.log_model(${conversion.convert}, ..., registered_model_name=...), and deploy that version (${HOW_TO})`
  );
}
