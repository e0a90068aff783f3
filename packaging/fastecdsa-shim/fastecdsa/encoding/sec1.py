from fastecdsa._absent import absent


class SEC1Encoder:
    encode_public_key = staticmethod(absent)
    decode_public_key = staticmethod(absent)
