"""Energy and area of an ADC by a fit to the survey of published converters.

Accelergy-Project/accelergy-adc-plug-in@ff0fb48a, adc_data/model.yaml and model.py: a fit to B. Murmann's ADC survey.
The figure of merit (Schreier, dB) is bounded by rate and resolution; the energy is scaled by node and resolution.
"""

from math import ceil, exp, log

# dB that no converter of so many effective bits exceeds, 0 to 20: model.yaml, max_by_enob
MOST_DB = (
    *(128.307, 131.527, 134.748, 137.968, 141.189, 144.409, 147.630, 150.850, 154.071, 157.291, 160.512),
    *(163.732, 166.953, 170.173, 173.394, 176.615, 179.835, 183.056, 186.276, 189.497, 192.717),
)


def conversion_pj(bits: float, rate_hz: float, node_nm: float) -> float:
    """Energy of one conversion of `bits` effective bits (more than 1, up to 20), pJ."""
    merit_db = min(213.781 - 2.8719 * log(rate_hz), MOST_DB[ceil(bits)])
    by_merit = 0.5 / 10 ** ((merit_db - (6.02 * bits + 1.76)) / 10)
    by_node: float = exp(26.0496 + 1.88004 * log(node_nm) - 2.82913 * log(bits) - 1.47020)
    return by_merit * by_node


def area_um2(bits: float, rate_hz: float, node_nm: float) -> float:
    """Area, um2."""
    energy = log(conversion_pj(bits, rate_hz, node_nm))
    return exp(0.99328 * log(node_nm) + 0.18072 * log(rate_hz) + 0.29912 * energy + 1.34619)
