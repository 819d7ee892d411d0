/** @file lstm.c
 *  The pointwise part of an LSTM's step: all gates, the cell and the output in one pass over each row. */
#include "kernels/clones.h"
#include "kernels/polynomials.h"
#include "nnmpi/kernels.h"

NN__BODY void nn_lstm_forward_body(const nn_lstm_step *step) {
  const size_t units = step->units;
  const float *bi = step->bias_ih, *bh = step->bias_hh;
  for (size_t r = 0; r < step->rows; r++) {
    const float *zh = step->zh + r * 4 * units, *c_before = step->c_before + r * units;
    float *z = step->gates + r * 4 * units;
    float *c = step->c + r * units, *tanh_c = step->tanh_c + r * units, *h = step->h + r * units;
    NN__ELEMENTS
    for (size_t j = 0; j < units; j++) {
      const size_t jf = j + units, jg = j + 2 * units, jo = j + 3 * units;
      const float i = nn__sigmoid((z[j] + bi[j]) + (zh[j] + bh[j]));
      const float f = nn__sigmoid((z[jf] + bi[jf]) + (zh[jf] + bh[jf]));
      const float g = nn__tanh((z[jg] + bi[jg]) + (zh[jg] + bh[jg]));
      const float o = nn__sigmoid((z[jo] + bi[jo]) + (zh[jo] + bh[jo]));
      const float cell = fmaf(f, c_before[j], i * g), squashed = nn__tanh(cell);
      z[j] = i;
      z[jf] = f;
      z[jg] = g;
      z[jo] = o;
      c[j] = cell;
      tanh_c[j] = squashed;
      h[j] = o * squashed;
    }
  }
}
NN__CLONES(void, nn_lstm_forward, (const nn_lstm_step *step), (step))

NN__BODY void nn_lstm_backward_body(const nn_lstm_gradient *gradient) {
  const size_t units = gradient->units;
  for (size_t r = 0; r < gradient->rows; r++) {
    const float *gate = gradient->gates + r * 4 * units, *tanh_c = gradient->tanh_c + r * units;
    const float *c_before = gradient->c_before + r * units, *dh = gradient->dh + r * units;
    float *dc = gradient->dc + r * units, *dz = gradient->dz + r * 4 * units;
    NN__ELEMENTS
    for (size_t j = 0; j < units; j++) {
      const float i = gate[j], f = gate[j + units], g = gate[j + 2 * units], o = gate[j + 3 * units];
      const float t = tanh_c[j], d = dh[j];
      const float cell = fmaf(d * o, fmaf(-t, t, 1.0f), dc[j]);
      dz[j] = cell * g * (i * (1.0f - i));
      dz[j + units] = cell * c_before[j] * (f * (1.0f - f));
      dz[j + 2 * units] = cell * i * fmaf(-g, g, 1.0f);
      dz[j + 3 * units] = d * t * (o * (1.0f - o));
      dc[j] = cell * f;
    }
  }
}
NN__CLONES(void, nn_lstm_backward, (const nn_lstm_gradient *gradient), (gradient))
