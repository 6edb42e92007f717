-- The first voucher of Nigeria that was used up in two orders, by the order system's items.
SELECT TOP (1)
    CAST(v.[ID_Company] AS nvarchar(20)) AS company_code,
    CAST(v.[Voucher_No] AS bigint) AS voucher_id,
    CAST(v.[Voucher_Code] AS nvarchar(30)) AS voucher_code,
    CAST(MAX(v.[Face_Value]) AS decimal(38, 20)) AS issued_amount_lcy,
    CAST(SUM(i.[store_credit_amount]) AS decimal(38, 20)) AS used_amount_lcy,
    CAST(COUNT(*) AS int) AS times_used
FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[StoreCreditVoucher] AS v
    ON v.[ID_Company] = i.[company] AND v.[Voucher_Code] = i.[store_credit_code]
WHERE i.[created_at] < @cutoff
    AND i.[company] = N'EC_NG'
    AND v.[Business_Use] IN (@business_uses)
GROUP BY v.[ID_Company], v.[Voucher_No], v.[Voucher_Code]
HAVING COUNT(*) = 2
ORDER BY v.[Voucher_No]
