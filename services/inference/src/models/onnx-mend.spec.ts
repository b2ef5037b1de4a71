import { describe, expect, test } from '@jest/globals';
import { onnxMend } from './onnx-mend.js';

describe('what who deploys a version without an ONNX graph is told', () => {
  test('names what it is, where, and what to type', () => {
    const told = onnxMend({ python_function: {}, sklearn: { pickled_model: 'model.pkl' } });
    expect(told).toContain("is a scikit-learn model in Python's own form (model.pkl)");
    expect(told).toContain("skl2onnx.to_onnx(model, X[:1], options={'zipmap': False})");
    expect(told).toContain('docs/how-to/serve-a-python-model.md');
  });

  test.each([
    [{ lightgbm: { data: 'model.lgb' } }, 'onnxmltools.convert_lightgbm'],
    [{ xgboost: { data: 'model.xgb' } }, 'onnxmltools.convert_xgboost'],
    [{ pytorch: {} }, 'torch.onnx.export'],
  ])('%j is converted by %s', (flavors, convert) => {
    expect(onnxMend(flavors)).toContain(convert);
  });

  test('of a flavour nobody knows here, its name', () => {
    expect(onnxMend({ python_function: {}, mystery: {} })).toContain('only the flavours mystery, python_function');
  });
});
